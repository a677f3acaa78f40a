package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"pilothouse/backend/request"
)

var smallBody = make([]byte, 1700)

func answerSmall(context.Context, *request.Request) (*request.Response, error) {
	return &request.Response{ContentType: "application/json", Body: smallBody}, nil
}

// BenchmarkFilters is what the filters cost a request, without a network.
func BenchmarkFilters(b *testing.B) {
	h := filtered(answerSmall)
	b.ReportAllocs()
	for b.Loop() {
		r := ask("GET", "/api/v1/namespaces/default/configmaps/a")
		if p, err := h(context.Background(), r); err != nil || len(p.Body) != len(smallBody) {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet is a GET over TLS on a connection that stays open, client
// included.
func BenchmarkGet(b *testing.B) {
	f := start(b, answerSmall)
	client := f.client()
	b.ReportAllocs()
	for b.Loop() {
		get(b, client, f.url+"/api/v1/namespaces/default/configmaps/a")
	}
}

// BenchmarkList is a list of 10,000 objects over TLS, client included.
func BenchmarkList(b *testing.B) {
	list := segments{string(smallBody), 10_000}
	f := start(b, func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{ContentType: "application/json", Stream: list}, nil
	})
	client := f.client()
	b.SetBytes(list.Len())
	b.ReportAllocs()
	for b.Loop() {
		get(b, client, f.url+"/api/v1/pods")
	}
}

func get(b *testing.B, client *http.Client, url string) {
	resp, err := client.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkGzip is compressing a list of 1,000 objects that differ a little, as
// pods do.
func BenchmarkGzip(b *testing.B) {
	var list bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&list, `{"kind":"Pod","metadata":{"name":"web-7d9c8b7f6-%05d","uid":"%08x-1c2d-4e5f-8a9b-%012x","resourceVersion":"%d","labels":{"app":"web","shard":"s%d"}},"spec":{"nodeName":"node-%d","containers":[%s]}},`,
			i, i*7919, i*104729, i, i%100, i%50, strings.Repeat(`{"name":"app","image":"registry.example.com/team/web:1.2.3","resources":{"requests":{"cpu":"100m","memory":"128Mi"}}}`, 8))
	}
	b.SetBytes(int64(list.Len()))
	b.ReportAllocs()
	for b.Loop() {
		w := newGzipper(io.Discard)
		if _, err := w.Write(list.Bytes()); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSmallWrite is the price below which no event of a watch can come: one
// write of 1.4 KB to one of 500 connections on the loopback whose readers wait.
// It reports what the kernel charges the thread that writes.
func BenchmarkSmallWrite(b *testing.B) {
	const connections, thread = 500, 1 // RUSAGE_THREAD
	if runtime.GOOS != "linux" {
		b.Skip("only Linux tells what a thread uses")
	}
	l := listen(b)
	defer l.Close()
	var conns []net.Conn
	for range connections {
		reader, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		go io.Copy(io.Discard, reader) //nolint:errcheck // ends with the benchmark
		conn, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		defer reader.Close()
		conns = append(conns, conn)
	}
	message := make([]byte, 1400)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(thread, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before, n := used(), 0
	for b.Loop() {
		if _, err := conns[n%connections].Write(message); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(used()-before)/float64(n)/1000, "cpu-us/op")
}
