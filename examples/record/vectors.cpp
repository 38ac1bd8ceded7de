// Two threads append 400,000 records of 64 bytes to a vector, 20 times: c++ -O2 -pthread vectors.cpp -o vectors &&
// ./vectors [reserve]
#include <cstring>
#include <thread>
#include <vector>

struct Record {
  long values[8];
};

int main(int count, char **arguments) {
  bool reserves = count > 1 && !strcmp(arguments[1], "reserve");
  auto append = [&](long thread) {
    for (long round = 0; round < 20; round++) {
      std::vector<Record> records;
      if (reserves) records.reserve(400000);
      for (long i = 0; i < 400000; i++) records.push_back(Record{{i, thread, round}});
    }
  };
  std::thread first(append, 1), second(append, 2);
  first.join();
  second.join();
}
