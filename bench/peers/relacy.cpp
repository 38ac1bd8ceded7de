// Six of examples/check in C++, for the Relacy race detector (github.com/dvyukov/relacy), to see how many executions
// its full search takes. All operations are sequentially consistent, as those of Atomics are; loops that wait yield.
//
//   git clone https://github.com/dvyukov/relacy && c++ -O2 -std=c++17 -w -I. -o relacy-peer bench/peers/relacy.cpp
//   ./relacy-peer peterson-1

#include "relacy/relacy/relacy.hpp"
#include <chrono>
#include <cstdio>
#include <sstream>
#include <string>

static const rl::memory_order SC = rl::memory_order_seq_cst;

template <int TURNS> struct peterson : rl::test_suite<peterson<TURNS>, 2> {
  rl::atomic<int> wants[2], turn;
  rl::var<int> data;

  void before() {
    wants[0]($).store(0, SC);
    wants[1]($).store(0, SC);
    turn($).store(0, SC);
    data($) = 0;
  }

  void thread(unsigned me) {
    for (int i = 0; i < TURNS; i++) {
      wants[me]($).store(1, SC);
      turn($).store(me, SC);
      while (wants[1 - me]($).load(SC) == 1 && turn($).load(SC) == (int)me) rl::yield(1, $);
      data($) = data($) + 1;
      wants[me]($).store(0, SC);
    }
  }
};

template <int THREADS, int TURNS> struct barrier : rl::test_suite<barrier<THREADS, TURNS>, THREADS> {
  rl::atomic<int> count, sense;

  void before() {
    count($).store(THREADS, SC);
    sense($).store(0, SC);
  }

  void thread(unsigned) {
    int mine = 0;
    for (int i = 0; i < TURNS; i++) {
      mine = 1 - mine;
      if (count($).fetch_sub(1, SC) == 1) {
        count($).store(THREADS, SC);
        sense($).store(mine, SC);
      } else {
        while (sense($).load(SC) != mine) rl::yield(1, $);
      }
    }
  }
};

// Each thread pushes its node and pops one. The top has a count of its changes in front.
template <int THREADS> struct treiber : rl::test_suite<treiber<THREADS>, THREADS> {
  rl::atomic<int> top, below[THREADS + 1];

  void before() {
    top($).store(0, SC);
    for (auto &each : below) each($).store(0, SC);
  }

  bool swap(int old, int node) {
    return top($).compare_exchange_strong(old, ((old >> 8) + 1) * 256 + node, SC, SC);
  }

  void thread(unsigned me) {
    for (;;) {
      int old = top($).load(SC);
      below[me + 1]($).store(old & 255, SC);
      if (swap(old, me + 1)) break;
    }
    for (;;) {
      int old = top($).load(SC);
      if ((old & 255) == 0) break;
      int under = below[old & 255]($).load(SC);
      if (swap(old, under)) break;
    }
  }
};

template <int VALUES> struct lamport : rl::test_suite<lamport<VALUES>, 2> {
  rl::atomic<int> head, tail;
  rl::var<int> values[2];

  void before() {
    head($).store(0, SC);
    tail($).store(0, SC);
  }

  void thread(unsigned me) {
    for (int value = 1; value <= VALUES; value++) {
      if (me == 0) {
        int at = tail($).load(SC);
        while (at - head($).load(SC) == 2) rl::yield(1, $);
        values[at % 2]($) = value;
        tail($).store(at + 1, SC);
      } else {
        int at = head($).load(SC);
        while (at == tail($).load(SC)) rl::yield(1, $);
        RL_ASSERT((int)values[at % 2]($) == value);
        head($).store(at + 1, SC);
      }
    }
  }
};

// Each thread pushes a value and pops one, where there is room for two.
struct vyukov : rl::test_suite<vyukov, 2> {
  rl::atomic<int> head, tail, turns[2], values[2];

  void before() {
    head($).store(0, SC);
    tail($).store(0, SC);
    for (int i = 0; i < 2; i++) {
      turns[i]($).store(0, SC);
      values[i]($).store(0, SC);
    }
  }

  void push(int value) {
    for (;;) {
      int at = tail($).load(SC);
      int turn = turns[at % 2]($).load(SC);
      if (turn != 2 * (at / 2)) {
        if (at - head($).load(SC) >= 2) return;
        rl::yield(1, $);
        continue;
      }
      int old = at;
      if (!tail($).compare_exchange_strong(old, at + 1, SC, SC)) continue;
      values[at % 2]($).store(value, SC);
      turns[at % 2]($).store(turn + 1, SC);
      return;
    }
  }

  void pop() {
    for (;;) {
      int at = head($).load(SC);
      int turn = turns[at % 2]($).load(SC);
      if (turn != 2 * (at / 2) + 1) {
        if (at == tail($).load(SC)) return;
        rl::yield(1, $);
        continue;
      }
      int old = at;
      if (!head($).compare_exchange_strong(old, at + 1, SC, SC)) continue;
      values[at % 2]($).load(SC);
      turns[at % 2]($).store(turn + 1, SC);
      return;
    }
  }

  void thread(unsigned me) {
    push(me + 1);
    pop();
  }
};

// An owner who pushes two values and takes twice, and two thieves who steal once each: "an owner and two thieves". The
// array does not grow here, and so has room for two.
struct chase_lev : rl::test_suite<chase_lev, 3> {
  rl::atomic<int> top, bottom, values[2];
  rl::var<int> got[4];

  void before() {
    top($).store(0, SC);
    bottom($).store(0, SC);
    for (auto &each : values) each($).store(0, SC);
    for (auto &each : got) each($) = 0;
  }

  void push(int value) {
    int at = bottom($).load(SC);
    top($).load(SC);
    values[at % 2]($).store(value, SC);
    bottom($).store(at + 1, SC);
  }

  int take() {
    int at = bottom($).load(SC) - 1;
    bottom($).store(at, SC);
    int first = top($).load(SC);
    if (first > at) {
      bottom($).store(at + 1, SC);
      return 0;
    }
    int value = values[at % 2]($).load(SC);
    if (first < at) return value;
    int old = first;
    bool mine = top($).compare_exchange_strong(old, first + 1, SC, SC);
    bottom($).store(at + 1, SC);
    return mine ? value : 0;
  }

  int steal() {
    for (;;) {
      int first = top($).load(SC);
      if (first >= bottom($).load(SC)) return 0;
      int value = values[first % 2]($).load(SC);
      int old = first;
      if (top($).compare_exchange_strong(old, first + 1, SC, SC)) return value;
    }
  }

  void thread(unsigned me) {
    if (me > 0) {
      got[me + 1]($) = steal();
      return;
    }
    push(1);
    push(2);
    for (int i = 0; i < 2; i++) got[i]($) = take();
  }

  void after() {
    int count[3] = {0, 0, 0};
    for (auto &each : got) count[(int)each($)]++;
    RL_ASSERT(count[1] == 1 && count[2] == 1);
  }
};

template <class Suite> bool run(std::string const &wanted, char const *name) {
  if (wanted != name) return false;
  rl::test_params params;
  params.search_type = rl::sched_full;
  params.progress_output_period = 0;
  std::ostringstream output;
  params.progress_stream = params.output_stream = &output;
  auto started = std::chrono::steady_clock::now();
  bool passes = rl::simulate<Suite>(params);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  printf("%s: %s, %llu executions, %.2f s\n", name, passes ? "pass" : "fail",
         (unsigned long long)params.stop_iteration, seconds.count());
  if (!passes) printf("%s", output.str().c_str());
  return true;
}

int main(int, char **arguments) {
  std::string wanted = arguments[1] ? arguments[1] : "";
  bool known = run<peterson<1>>(wanted, "peterson-1") || run<peterson<2>>(wanted, "peterson-2") ||
               run<barrier<2, 2>>(wanted, "barrier-2-2") || run<barrier<2, 3>>(wanted, "barrier-2-3") ||
               run<treiber<2>>(wanted, "treiber-2") || run<treiber<3>>(wanted, "treiber-3") ||
               run<lamport<2>>(wanted, "lamport-2") || run<lamport<4>>(wanted, "lamport-4") ||
               run<vyukov>(wanted, "vyukov") || run<chase_lev>(wanted, "chase-lev");
  char const *names = "peterson-1 peterson-2 barrier-2-2 barrier-2-3 treiber-2 treiber-3 lamport-2 lamport-4 vyukov";
  if (!known) printf("%s chase-lev\n", names);
  return known ? 0 : 2;
}
