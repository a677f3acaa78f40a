package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/request"
)

func chunked(body func(ctx context.Context, w request.ChunkWriter) error) request.Handler {
	return func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{ContentType: "application/json", Chunked: body}, nil
	}
}

func wait(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s did not happen", what)
	}
}

func TestChunkedArrivesAsItIsFlushed(t *testing.T) {
	next := make(chan string)
	f := start(t, chunked(func(ctx context.Context, w request.ChunkWriter) error {
		for text := range next {
			fmt.Fprint(chunkIO{w}, text[:1])
			fmt.Fprint(chunkIO{w}, text[1:])
			if err := w.Flush(); err != nil {
				return err
			}
		}
		return nil
	}))
	resp, err := f.client().Get(f.url + "/api/v1/pods?watch=1")
	must(t, err)
	defer resp.Body.Close()
	if resp.Header.Get("Audit-Id") == "" || resp.TransferEncoding[0] != "chunked" {
		t.Errorf("%v", resp)
	}
	large := strings.Repeat("0123456789", 20_000) + "\n"
	lines := bufio.NewReader(resp.Body)
	for _, text := range []string{"one\n", large, "three\n"} {
		next <- text
		got, err := lines.ReadString('\n')
		if err != nil || got != text {
			t.Fatalf("%.20q %v", got, err)
		}
	}
	close(next)
	if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

// chunkIO is a ChunkWriter for fmt.
type chunkIO struct{ request.ChunkWriter }

func TestWatchEndsWhenItsClientGoes(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	f := start(t, chunked(func(ctx context.Context, w request.ChunkWriter) error {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil
	}))
	resp, err := f.client().Get(f.url + "/")
	must(t, err)
	wait(t, "the watch", begun)
	resp.Body.Close()
	wait(t, "its end", ended)
}

func TestWatchEndsWhenItsClientTakesNothing(t *testing.T) {
	ended := make(chan error, 1)
	f := start(t, chunked(func(ctx context.Context, w request.ChunkWriter) error {
		block := make([]byte, 64<<10)
		for {
			_, err := w.Write(block)
			if err == nil {
				err = w.Flush()
			}
			if err != nil {
				ended <- err
				return err
			}
		}
	}), func(o *fixtureOptions) { o.WriteTimeout = 200 * time.Millisecond })
	conn, err := net.Dial("tcp", f.dashboard[len("http://"):])
	must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the writer still waits for the client")
	}
}

func TestChunkedForHTTP10IsPlain(t *testing.T) {
	f := start(t, chunked(func(ctx context.Context, w request.ChunkWriter) error {
		_, err := w.Write([]byte("abc"))
		return err
	}))
	answer := f.raw("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(answer, "\r\n\r\nabc") || strings.Contains(answer, "chunked") {
		t.Errorf("%q", answer)
	}
	head := f.raw("HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(head, "\r\n\r\n") {
		t.Errorf("%q", head)
	}
}

func TestShutdownEndsWatchesAndWaitsForRequests(t *testing.T) {
	slow, release := make(chan struct{}), make(chan struct{})
	var watching sync.WaitGroup
	watching.Add(5)
	f := start(t, func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.Path == "/slow" {
			close(slow)
			<-release
			return &request.Response{Body: []byte("finished")}, nil
		}
		return &request.Response{Chunked: func(ctx context.Context, w request.ChunkWriter) error {
			watching.Done()
			<-ctx.Done()
			_, err := w.Write([]byte("bye"))
			return err
		}}, nil
	})
	answers := make(chan string, 6)
	ask := func(path string) {
		resp, err := f.client().Get(f.url + path)
		if err != nil {
			answers <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		answers <- fmt.Sprint(string(body), err)
	}
	for range 5 {
		go ask("/watch")
	}
	watching.Wait()
	go ask("/slow")
	wait(t, "the slow request", slow)

	down := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		down <- f.Shutdown(ctx)
	}()
	for range 5 {
		if got := <-answers; got != "bye<nil>" {
			t.Errorf("watch: %q", got)
		}
	}
	select {
	case err := <-down:
		t.Fatalf("Shutdown did not wait for a request: %v", err)
	default:
	}
	close(release)
	if got := <-answers; got != "finished<nil>" {
		t.Errorf("slow: %q", got)
	}
	must(t, <-down)
	if _, err := f.client().Get(f.url + "/"); err == nil {
		t.Error("served after Shutdown")
	}
}

func TestShutdownCutsOffWhatDoesNotEnd(t *testing.T) {
	hold := make(chan struct{})
	begun := make(chan struct{})
	f := start(t, func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{Hijack: func(ctx context.Context, conn net.Conn) {
			close(begun)
			io.Copy(io.Discard, conn) // does not look at ctx
			close(hold)
		}}, nil
	})
	conn, err := net.Dial("tcp", f.dashboard[len("http://"):])
	must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	wait(t, "the hijack", begun)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := f.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	wait(t, "the end of the hijack", hold)
}

func TestHijackReadsWhatWasSentEarly(t *testing.T) {
	f := start(t, func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{Hijack: func(ctx context.Context, conn net.Conn) {
			b := make([]byte, 5)
			if _, err := io.ReadFull(conn, b); err == nil {
				fmt.Fprintf(conn, "got %s", b)
			}
		}}, nil
	})
	if answer := f.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nearly"); answer != "got early" {
		t.Errorf("%q", answer)
	}
}

// A hijacked connection must not be readable through fasthttp's pooled buffer
// once its handler has returned: that buffer belongs to another client then.
func TestHijackedConnectionIsDeadAfterItsHandler(t *testing.T) {
	kept := make(chan net.Conn, 1)
	f := start(t, func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{Hijack: func(ctx context.Context, conn net.Conn) {
			go conn.Read(make([]byte, 10))
			kept <- conn
		}}, nil
	})
	f.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\r\nmore bytes than the handler reads")
	conn := <-kept
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("read from a connection that has ended")
	}
}

func TestPanicsAreKeptToTheirRequest(t *testing.T) {
	f := start(t, func(_ context.Context, r *request.Request) (*request.Response, error) {
		switch r.Path {
		case "/handler":
			panic("s3cret")
		case "/chunked":
			return &request.Response{Chunked: func(_ context.Context, w request.ChunkWriter) error {
				w.Write([]byte("half"))
				w.Flush()
				panic("s3cret")
			}}, nil
		case "/stream":
			return &request.Response{Stream: panicStream{}}, nil
		case "/hijack":
			return &request.Response{Hijack: func(context.Context, net.Conn) { panic("s3cret") }}, nil
		}
		return &request.Response{Body: []byte("alive")}, nil
	})
	resp, body := f.get("/handler")
	if resp.StatusCode != 500 || strings.Contains(body, "s3cret") || !strings.Contains(body, resp.Header.Get("Audit-Id")) {
		t.Errorf("handler: %d %s", resp.StatusCode, body)
	}
	for _, path := range []string{"/chunked", "/stream", "/hijack"} {
		resp, err := f.client().Get(f.url + path)
		if err != nil {
			continue
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: the client takes %q for a whole answer", path, body)
		}
		resp.Body.Close()
	}
	if _, body := f.get("/"); body != "alive" {
		t.Errorf("after the panics: %q", body)
	}
}

type panicStream struct{}

func (panicStream) Len() int64                     { return 100 }
func (panicStream) WriteTo(w request.Writer) error { panic("s3cret") }

// segments is a Stream of many small parts.
type segments struct {
	part string
	n    int
}

func (s segments) Len() int64 { return int64(len(s.part) * s.n) }

func (s segments) WriteTo(w request.Writer) error {
	for range s.n {
		if _, err := w.WriteString(s.part); err != nil {
			return err
		}
	}
	return nil
}

func TestLargeBodiesAreCompressedForThoseWhoTakeIt(t *testing.T) {
	list := segments{`{"kind":"Pod","metadata":{"name":"web-0"}},`, 5000}
	whole := strings.Repeat(list.part, list.n)
	f := start(t, func(_ context.Context, r *request.Request) (*request.Response, error) {
		switch r.Path {
		case "/stream":
			return &request.Response{Stream: list}, nil
		case "/body":
			return &request.Response{Body: []byte(whole)}, nil
		case "/encoded":
			return &request.Response{Body: []byte(whole), Header: []request.HeaderLine{{Name: "content-encoding", Value: "br"}}}, nil
		}
		return &request.Response{Body: []byte(whole[:gzipFrom-1])}, nil
	})
	client := f.client()
	get := func(method, path, accept string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequest(method, f.url+path, nil)
		must(t, err)
		req.Header.Set("Accept-Encoding", accept)
		resp, err := client.Do(req)
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp, body
	}
	for _, path := range []string{"/stream", "/body"} {
		for range 2 { // the second time with what the pools hold
			resp, body := get("GET", path, "deflate, gzip")
			if resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Vary") != "Accept-Encoding" {
				t.Fatalf("%s: %v", path, resp.Header)
			}
			z, err := gzip.NewReader(bytes.NewReader(body))
			must(t, err)
			if plain, err := io.ReadAll(z); err != nil || string(plain) != whole {
				t.Errorf("%s: %d bytes, %v", path, len(plain), err)
			}
		}
		resp, body := get("GET", path, "identity")
		if resp.Header.Get("Content-Encoding") != "" || string(body) != whole || resp.ContentLength != list.Len() {
			t.Errorf("%s plain: %v, %d bytes", path, resp.Header, len(body))
		}
		if resp, body := get("GET", path, "gzip;q=0"); resp.Header.Get("Content-Encoding") != "" || string(body) != whole {
			t.Errorf("%s refused: %v", path, resp.Header)
		}
		if resp, body := get("HEAD", path, "gzip"); resp.ContentLength != list.Len() || len(body) > 0 {
			t.Errorf("%s HEAD: %v", path, resp)
		}
	}
	if resp, _ := get("GET", "/small", "gzip"); resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("small: %v", resp.Header)
	}
	if resp, body := get("GET", "/encoded", "gzip"); resp.Header.Get("Content-Encoding") != "br" || string(body) != whole {
		t.Errorf("encoded: %v", resp.Header)
	}
}

// A Stream whose Len is wrong must not be taken for a whole answer.
func TestStreamShorterThanItSays(t *testing.T) {
	f := start(t, func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{Stream: shortStream{}}, nil
	})
	resp, err := f.client().Get(f.url + "/")
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes, no error", len(body))
	}
}

type shortStream struct{}

func (shortStream) Len() int64 { return 100 }
func (shortStream) WriteTo(w request.Writer) error {
	_, err := w.WriteString("short")
	return err
}
