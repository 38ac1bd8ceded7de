// Goroutines build maps and trees that the collector has to clean up: go build collect.go && ./collect [ROUNDS] [free|collect]
//
// After each round, free collects and gives back all that was freed; collect only collects.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func main() {
	rounds := 40
	if len(os.Args) > 1 {
		rounds, _ = strconv.Atoi(os.Args[1])
	}
	after := ""
	if len(os.Args) > 2 {
		after = os.Args[2]
	}
	begun := time.Now()
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < rounds; round++ {
				kept := tree(14)
				block := make([]byte, 4<<20)
				for i := 0; i < len(block); i += 4096 {
					block[i] = 1
				}
				_ = kept
				switch after {
				case "free":
					debug.FreeOSMemory()
				case "collect":
					runtime.GC()
				}
			}
		}()
	}
	group.Wait()
	fmt.Println(time.Since(begun).Milliseconds(), "ms")
}
