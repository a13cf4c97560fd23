// SPDX-License-Identifier: MIT

// The Go service of benchmark J: what a good Go engineer would write for the same job.
//
//	jobs_go worker ADDR                    POST /echo answers its body
//	jobs_go front ADDR DELAY WORKER...     POST /v1/handlers/echo:invoke: one worker, a
//	                                       second one after DELAY (0: never), first good
//	                                       reply wins, the other is cancelled by context
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

const inputSizeMax = 4 << 20

type reply struct {
	body []byte
	err  error
}

type front struct {
	client  *http.Client
	workers []string
	delay   time.Duration
	next    atomic.Uint64
}

func (f *front) call(ctx context.Context, worker string, input []byte) reply {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, worker, bytes.NewReader(input))
	if err != nil {
		return reply{err: err}
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := f.client.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("worker answered %s", response.Status)
	}
	return reply{body: body, err: err}
}

// The first good reply of at most two copies; a failed copy waits for its rival.
func (f *front) race(ctx context.Context, input []byte) reply {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	first := f.next.Add(1)
	replies := make(chan reply, 2)
	send := func(n uint64) {
		worker := f.workers[(first+n)%uint64(len(f.workers))]
		go func() { replies <- f.call(ctx, worker, input) }()
	}
	send(0)
	inFlight := 1
	var hedge <-chan time.Time
	if f.delay > 0 {
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		hedge = timer.C
	}
	for {
		select {
		case <-hedge:
			hedge = nil
			send(1)
			inFlight++
		case got := <-replies:
			inFlight--
			if got.err == nil || inFlight == 0 {
				return got
			}
		case <-ctx.Done():
			return reply{err: ctx.Err()}
		}
	}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, inputSizeMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	got := f.race(r.Context(), input)
	switch {
	case errors.Is(got.err, context.DeadlineExceeded):
		http.Error(w, got.err.Error(), http.StatusGatewayTimeout)
	case got.err != nil:
		http.Error(w, got.err.Error(), http.StatusBadGateway)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(got.body)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, inputSizeMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(body)
}

func main() {
	if len(os.Args) >= 3 && os.Args[1] == "worker" {
		mux := http.NewServeMux()
		mux.HandleFunc("/echo", echo)
		log.Fatal(http.ListenAndServe(os.Args[2], mux))
	}
	if len(os.Args) < 5 || os.Args[1] != "front" {
		log.Fatal("usage: jobs_go worker ADDR | jobs_go front ADDR DELAY WORKER_ADDR...")
	}
	delay, err := time.ParseDuration(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	service := &front{
		delay: delay,
		client: &http.Client{Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 1024, // else each burst dials anew
			DisableCompression:  true,
		}},
	}
	for _, addr := range os.Args[4:] {
		service.workers = append(service.workers, "http://"+addr+"/echo")
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/handlers/echo:invoke", service)
	log.Fatal(http.ListenAndServe(os.Args[2], mux))
}
