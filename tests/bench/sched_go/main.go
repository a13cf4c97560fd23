// SPDX-License-Identifier: MIT

// The rows of S in BENCHMARKS.md in Go: the same work, counts and names as sched_bench.
//
//	sched_go [--procs N] [--scale F] [--list] [NAME...]
//
// The echo rows start SCHED_BENCH (the path of sched_bench) as their load.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type bench struct {
	scale float64
	procs int
	start time.Time
	total time.Duration
	cpu   time.Duration
	ops   int
	more  string
}

func (b *bench) count(n int) int {
	return max(int(float64(n)*b.scale), 1)
}

// cpuTime is what this process, all threads of it, has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "getrusage")
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (b *bench) begin() {
	b.cpu = -cpuTime()
	b.start = time.Now()
}

func (b *bench) end(ops int) {
	b.total = time.Since(b.start)
	b.cpu += cpuTime()
	b.ops = ops
}

func (b *bench) percentiles(name string, ns []int64) {
	slices.Sort(ns)
	b.more += fmt.Sprintf(",\"%s_p50_us\":%.1f,\"%s_p99_us\":%.1f", name,
		float64(ns[len(ns)/2])/1000, name, float64(ns[len(ns)*99/100])/1000)
}

func must(ok bool, what string) {
	if !ok {
		panic(what)
	}
}

// ---- starting ----

func spawnJoin(b *bench) {
	n := b.count(2000000)
	var wg sync.WaitGroup
	b.begin()
	for range n {
		wg.Add(1)
		go wg.Done()
	}
	wg.Wait()
	b.end(n)
}

func spawnChained(b *bench) {
	const depth = 1000
	n := b.count(1000)
	b.begin()
	for range n {
		var wg sync.WaitGroup
		wg.Add(1)
		left := depth - 1
		var next func()
		next = func() {
			if left == 0 {
				wg.Done()
				return
			}
			left--
			go next()
		}
		go next()
		wg.Wait()
	}
	b.end(n * depth)
}

func yield(b *bench) {
	n := b.count(5000000)
	var wg sync.WaitGroup
	wg.Add(2)
	b.begin()
	for range 2 {
		go func() {
			for range n {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	b.end(2 * n)
}

// ---- channels ----

func pingpong(b *bench) {
	n := b.count(2000000)
	to, from := make(chan uint64), make(chan uint64)
	go func() {
		for v := range to {
			from <- v
		}
		close(from)
	}()
	b.begin()
	for i := range n {
		to <- uint64(i)
		<-from
	}
	b.end(n)
	close(to)
	<-from
}

func buffered(b *bench, pairs, total int) {
	n := b.count(total) / pairs
	c := make(chan uint64, 128)
	var wg sync.WaitGroup
	wg.Add(2 * pairs)
	b.begin()
	for range pairs {
		go func() {
			for i := range n {
				c <- uint64(i)
			}
			wg.Done()
		}()
		go func() {
			for range n {
				<-c
			}
			wg.Done()
		}()
	}
	wg.Wait()
	b.end(n * pairs)
}

func spsc(b *bench) { buffered(b, 1, 10000000) }
func mpmc(b *bench) { buffered(b, 8, 4000000) }

func select4(b *bench) {
	n := b.count(2000000) / 4
	var cs [4]chan uint64
	for i := range cs {
		cs[i] = make(chan uint64)
		go func() {
			for j := range n {
				cs[i] <- uint64(j)
			}
		}()
	}
	b.begin()
	for range 4 * n {
		select {
		case <-cs[0]:
		case <-cs[1]:
		case <-cs[2]:
		case <-cs[3]:
		}
	}
	b.end(4 * n)
}

func mutex8(b *bench) {
	n := b.count(8000000) / 8
	var mu sync.Mutex
	var wg sync.WaitGroup
	counter := 0
	wg.Add(8)
	b.begin()
	for range 8 {
		go func() {
			for range n {
				mu.Lock()
				counter++
				mu.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	b.end(8 * n)
	must(counter == 8*n, "counter")
}

// ---- trees and rings ----

func sky(to chan<- uint64, number, size uint64) {
	if size == 1 {
		to <- number
		return
	}
	from := make(chan uint64)
	for i := range uint64(10) {
		go sky(from, number+i*(size/10), size/10)
	}
	var sum uint64
	for range 10 {
		sum += <-from
	}
	to <- sum
}

func skynet(b *bench) {
	n := b.count(1)
	c := make(chan uint64)
	b.begin()
	for range n {
		go sky(c, 0, 1000000)
		must(<-c == 499999500000, "sum")
	}
	b.end(n * 1111111)
}

func ring(b *bench) {
	const nodes = 503
	n := b.count(2000000)
	var cs [nodes]chan uint64
	for i := range cs {
		cs[i] = make(chan uint64)
	}
	quit := make(chan struct{})
	for i := 1; i < nodes; i++ {
		go func(from <-chan uint64, to chan<- uint64) {
			for hops := range from {
				if hops > 0 {
					hops--
				}
				to <- hops
				if hops == 0 {
					return
				}
			}
		}(cs[i-1], cs[i])
	}
	hops := uint64(n)
	b.begin()
	for hops > 0 {
		cs[0] <- hops
		hops = <-cs[nodes-1]
		if hops > 0 {
			hops--
		}
	}
	b.end(n)
	close(quit)
}

func sieve(b *bench) {
	n := b.count(2262)
	b.begin()
	c := make(chan uint64)
	go func() {
		for i := uint64(2); ; i++ {
			c <- i
		}
	}()
	var prime uint64
	in := c
	for range n {
		prime = <-in
		out := make(chan uint64)
		go func(in <-chan uint64, out chan<- uint64, prime uint64) {
			for v := range in {
				if v%prime != 0 {
					out <- v
				}
			}
		}(in, out, prime)
		in = out
	}
	b.end(1)
	must(n != 2262 || prime == 19997, "prime")
}

func fib(to chan<- uint64, n uint64) {
	if n < 2 {
		to <- n
		return
	}
	x, y := make(chan uint64, 1), make(chan uint64, 1)
	go fib(x, n-1)
	go fib(y, n-2)
	to <- <-x + <-y
}

func fib25(b *bench) {
	n := b.count(1)
	b.begin()
	for range n {
		c := make(chan uint64, 1)
		go fib(c, 25)
		must(<-c == 75025, "fib")
	}
	b.end(n * 242785)
}

func ctxTree(b *bench) {
	n := b.count(100000)
	var exited, parked sync.WaitGroup
	never := make(chan struct{})
	parent, cancel := context.WithCancel(context.Background())
	exited.Add(n)
	parked.Add(n)
	for range n {
		ctx, done := context.WithTimeout(parent, time.Hour)
		go func() {
			parked.Done()
			select {
			case <-ctx.Done():
			case <-never:
			}
			exited.Done()
			done()
		}()
	}
	parked.Wait()
	time.Sleep(5 * time.Millisecond)
	b.begin()
	cancel()
	exited.Wait()
	b.end(n)
}

// ---- a million ----

func sleepers(b *bench) {
	n := b.count(1000000)
	late := make([]int64, n)
	var wg sync.WaitGroup
	wg.Add(n)
	b.begin()
	for i := range n {
		go func() {
			d := time.Duration(i%1000) * time.Millisecond
			start := time.Now()
			time.Sleep(d)
			late[i] = int64(time.Since(start) - d)
			wg.Done()
		}()
	}
	wg.Wait()
	b.end(n)
	b.percentiles("late", late)
}

func resident() int {
	text, err := os.ReadFile("/proc/self/statm")
	must(err == nil, "statm")
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	must(err == nil, "statm")
	return pages * os.Getpagesize()
}

type idlers struct {
	gate           chan uint64
	parked, exited sync.WaitGroup
}

func parkMany(n int) *idlers {
	s := &idlers{gate: make(chan uint64)}
	s.parked.Add(n)
	s.exited.Add(n)
	for range n {
		go func() {
			s.parked.Done()
			<-s.gate
			s.exited.Done()
		}()
	}
	s.parked.Wait()
	return s
}

func idle(b *bench) {
	n := b.count(1000000)
	before := resident()
	b.begin()
	s := parkMany(n)
	b.end(n)
	b.more = fmt.Sprintf(",\"bytes_per_task\":%.1f", float64(resident()-before)/float64(n))
	close(s.gate)
	s.exited.Wait()
}

func closeWakes(b *bench) {
	n := b.count(1000000)
	s := parkMany(n)
	time.Sleep(5 * time.Millisecond)
	b.begin()
	close(s.gate)
	s.exited.Wait()
	b.end(n)
}

// ---- probes ----

func probe(b *bench, neighbours int, f func()) {
	n := b.count(1000)
	late := make([]int64, n)
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Add(neighbours)
	for range neighbours {
		go func() {
			for !over.Load() {
				f()
			}
			wg.Done()
		}()
	}
	b.begin()
	for i := range n {
		start := time.Now()
		time.Sleep(time.Millisecond)
		late[i] = int64(time.Since(start) - time.Millisecond)
	}
	b.end(n)
	over.Store(true)
	wg.Wait()
	b.percentiles("late", late)
}

func blockedProbe(b *bench) {
	probe(b, 4*b.procs, func() {
		ts := syscall.NsecToTimespec(5000000)
		syscall.Nanosleep(&ts, nil)
	})
}

func hogProbe(b *bench) {
	probe(b, b.procs, func() {
		until := time.Now().Add(55 * time.Millisecond)
		for time.Now().Before(until) {
		}
		runtime.Gosched()
	})
}

// ---- echo ----

func echoConn(c net.Conn) {
	bytes := make([]byte, 256)
	for {
		n, err := c.Read(bytes)
		if err != nil {
			break
		}
		if _, err = c.Write(bytes[:n]); err != nil {
			break
		}
	}
	c.Close()
}

func echo(b *bench, conns int) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err == nil, "listen")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echoConn(c)
		}
	}()
	seconds := "3"
	if b.scale < 0.5 {
		seconds = "1"
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	out, err := exec.Command(os.Getenv("SCHED_BENCH"), "echo_load", port,
		strconv.Itoa(conns), seconds).Output()
	must(err == nil, "SCHED_BENCH echo_load")
	words := strings.Fields(string(out))
	b.ops, _ = strconv.Atoi(words[0])
	total, _ := strconv.Atoi(words[1])
	b.total = time.Duration(total)
	b.more = words[2]
	l.Close()
}

var rows = []struct {
	name string
	run  func(*bench)
}{
	{"spawn_join", spawnJoin},
	{"spawn_chained", spawnChained},
	{"yield", yield},
	{"chan_unbuffered_pingpong", pingpong},
	{"chan_buffered128_spsc", spsc},
	{"chan_buffered128_mpmc8x8", mpmc},
	{"skynet_1m", skynet},
	{"ring_503", ring},
	{"sieve_2262", sieve},
	{"fork_join_fib25", fib25},
	{"select_4way_recv", select4},
	{"mutex_8", mutex8},
	{"ctx_tree_cancel_100k", ctxTree},
	{"sleepers_1m_within_1s", sleepers},
	{"idle_1m_bytes_per_task", idle},
	{"idle_1m_spawn_and_park", idle},
	{"close_wakes_1m", closeWakes},
	{"echo_1", func(b *bench) { echo(b, 1) }},
	{"echo_256", func(b *bench) { echo(b, 256) }},
	{"echo_1024", func(b *bench) { echo(b, 1024) }},
	{"blocked_probe", blockedProbe},
	{"hog_probe", hogProbe},
}

func main() {
	args := os.Args[1:]
	procs, scale := 0, 1.0
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		switch {
		case args[0] == "--procs" && len(args) > 1:
			procs, _ = strconv.Atoi(args[1])
			args = args[2:]
		case args[0] == "--scale" && len(args) > 1:
			scale, _ = strconv.ParseFloat(args[1], 64)
			args = args[2:]
		case args[0] == "--list":
			for _, r := range rows {
				fmt.Println(r.name)
			}
			return
		default:
			fmt.Fprintln(os.Stderr, "usage: sched_go [--procs N] [--scale F] [--list] [NAME...]")
			os.Exit(2)
		}
	}
	counts := []int{procs}
	if procs == 0 {
		counts = []int{1}
		if runtime.NumCPU() > 1 {
			counts = append(counts, runtime.NumCPU())
		}
	}
	for _, r := range rows {
		if len(args) > 0 && !slices.Contains(args, r.name) {
			continue
		}
		for _, p := range counts {
			runtime.GOMAXPROCS(p)
			debug.FreeOSMemory()
			b := &bench{scale: scale, procs: p}
			r.run(b)
			line := fmt.Sprintf("{\"name\":%q,\"ns_per_op\":%.2f,\"cpu_ns_per_op\":%.2f,\"ops\":%d,\"procs\":%d%s,\"go\":%q}",
				r.name, float64(b.total.Nanoseconds())/float64(b.ops),
				float64(b.cpu.Nanoseconds())/float64(b.ops), b.ops, p, b.more,
				runtime.Version())
			must(json.Valid([]byte(line)), line)
			fmt.Println(line)
		}
	}
}
