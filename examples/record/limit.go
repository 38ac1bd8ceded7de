// 64 MB are alive, and four goroutines fill blocks of 4 MB: go build limit.go && GOMEMLIMIT=84MiB ./limit [ROUNDS]
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

func filled(bytes int) []byte {
	block := make([]byte, bytes)
	for i := 0; i < len(block); i += 1024 {
		block[i] = 1
	}
	return block
}

func main() {
	rounds := 400
	if len(os.Args) > 1 {
		rounds, _ = strconv.Atoi(os.Args[1])
	}
	alive := make([][]byte, 64)
	for i := range alive {
		alive[i] = filled(1 << 20)
	}
	begun := time.Now()
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < rounds; round++ {
				filled(4 << 20)
			}
		}()
	}
	group.Wait()
	fmt.Println(time.Since(begun).Milliseconds(), "ms,", len(alive), "MB alive")
}
