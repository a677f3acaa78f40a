package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// startHTTP2 starts a server that offers HTTP/2, and a client that takes it.
func startHTTP2(t testing.TB, handler request.Handler, change ...func(*fixtureOptions)) (*fixture, *http.Client) {
	t.Helper()
	f := start(t, handler, append([]func(*fixtureOptions){func(o *fixtureOptions) {
		o.TLS.NextProtos = []string{"h2", "http/1.1"}
		of := o.TLS.GetConfigForClient
		o.TLS.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := of(h)
			c = c.Clone()
			c.NextProtos = []string{"h2", "http/1.1"}
			return c, err
		}
	}}, change...)...)
	return f, f.http2Client()
}

func (f *fixture) http2Client() *http.Client {
	c := f.client()
	c.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	return c
}

func roundTrip(t testing.TB, c *http.Client, q *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.Do(q)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.ProtoMajor != 2 {
		t.Fatalf("answered in %s", resp.Proto)
	}
	return resp, string(body)
}

func newCall(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	q, err := http.NewRequest(method, url, body)
	must(t, err)
	return q
}

func TestHTTP2IsOnlySpokenWhenItIsOffered(t *testing.T) {
	f := start(t, text("{}"))
	resp, err := f.http2Client().Get(f.url + "/")
	must(t, err)
	resp.Body.Close()
	if resp.ProtoMajor != 1 {
		t.Errorf("HTTP/%d", resp.ProtoMajor)
	}
}

// told tells what a handler sees of a request.
func told(_ context.Context, r *request.Request) (*request.Response, error) {
	body := fmt.Sprintf("%s %s %s ?%s host=%s groups=%v prefix=%v body=%s tls=%v conn=%v",
		r.Method, r.Path, r.RawPath, r.RawQuery, r.Header.Get("host"), r.Header.Values("Impersonate-Group"),
		r.Header.(netHeader).AnyPrefix("impersonate-"), r.Body, r.TLS != nil, r.Conn != nil && r.ConnID == r.Conn.ID)
	return &request.Response{ContentType: "text/plain", Body: []byte(body), Header: []request.HeaderLine{
		{Name: "x-two", Value: "1"}, {Name: "X-Two", Value: "2"}, {Name: "Transfer-Encoding", Value: "chunked"},
	}}, nil
}

func TestHTTP2RequestsAreWhatTheyAre(t *testing.T) {
	f, c := startHTTP2(t, nil, func(o *fixtureOptions) { o.Options.Handler = told })
	q := newCall(t, "POST", f.url+"/a%20b/c?x=1&y=%2f", strings.NewReader("some text"))
	q.Header["Impersonate-Group"] = []string{"one", "two"}
	resp, body := roundTrip(t, c, q)
	want := "POST /a b/c /a%20b/c ?x=1&y=%2f host=" + f.addr + " groups=[one two] prefix=true body=some text tls=true conn=true"
	if body != want {
		t.Errorf("%s\nwant %s", body, want)
	}
	if got := resp.Header.Values("X-Two"); len(got) != 2 || resp.ContentLength != int64(len(want)) || resp.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%v %d", resp.Header, resp.ContentLength)
	}
	// A body whose length is not told.
	_, body = roundTrip(t, c, newCall(t, "PUT", f.url+"/", io.MultiReader(strings.NewReader("a"), strings.NewReader("b"))))
	if !strings.Contains(body, "body=ab ") {
		t.Error(body)
	}
	resp, body = roundTrip(t, c, newCall(t, "HEAD", f.url+"/", nil))
	if body != "" || resp.ContentLength == 0 {
		t.Errorf("HEAD: %q %d", body, resp.ContentLength)
	}
}

func TestHTTP2AnswersOfEachKind(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	f, c := startHTTP2(t, func(_ context.Context, r *request.Request) (*request.Response, error) {
		switch r.Path {
		case "/version":
			return &request.Response{Status: http.StatusNoContent}, nil
		case "/healthz":
			return &request.Response{Body: large}, nil
		case "/livez":
			return &request.Response{ContentType: "application/json", Stream: pieces{large[:100_000], large[100_000:]}}, nil
		case "/readyz":
			return &request.Response{Stream: broken{}}, nil
		case "/api":
			panic("of a handler")
		}
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, "x")
	})
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/version":         {http.StatusNoContent, ""},
		"/healthz":         {http.StatusOK, string(large)},
		"/livez":           {http.StatusOK, string(large)},
		"/api":             {http.StatusInternalServerError, `"reason":"InternalError"`},
		"/api/v1/pods/x":   {http.StatusNotFound, `pods \"x\" not found`},
		"/api/%2e%2e/pods": {http.StatusBadRequest, `must not hold \"..\"`},
	} {
		resp, body := roundTrip(t, c, newCall(t, "GET", f.url+path, nil))
		if resp.StatusCode != want.code || !strings.Contains(body, want.body) || strings.HasPrefix(path, "/livez") && body != want.body {
			t.Errorf("%s: %d %.80q", path, resp.StatusCode, body)
		}
	}
	q := newCall(t, "GET", f.url+"/livez", nil)
	q.Header.Set("Accept-Encoding", "gzip")
	resp, body := roundTrip(t, c, q)
	z, err := gzip.NewReader(strings.NewReader(body))
	must(t, err)
	if plain, err := io.ReadAll(z); err != nil || !bytes.Equal(plain, large) || resp.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("gzip: %d bytes, %v, %v", len(plain), err, resp.Header)
	}
	broken, err := c.Do(newCall(t, "GET", f.url+"/readyz", nil))
	if err == nil {
		_, err = io.ReadAll(broken.Body)
		broken.Body.Close()
	}
	if err == nil {
		t.Error("a body that failed halfway is not told from a whole one")
	}
	// The connection is as good as before.
	if resp, _ := roundTrip(t, c, newCall(t, "GET", f.url+"/version", nil)); resp.StatusCode != http.StatusNoContent {
		t.Error(resp.Status)
	}
}

// pieces is a Stream.
type pieces [2][]byte

func (p pieces) Len() int64 { return int64(len(p[0]) + len(p[1])) }

func (p pieces) WriteTo(w request.Writer) error {
	w.Write(p[0])
	_, err := w.Write(p[1])
	return err
}

// broken is a Stream that ends early.
type broken struct{}

func (broken) Len() int64 { return 1 << 20 }

func (broken) WriteTo(w request.Writer) error {
	w.WriteString("the beginning")
	return errors.New("the end")
}

func TestHTTP2BodiesAreBounded(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 8)
	f, c := startHTTP2(t, nil, func(o *fixtureOptions) {
		o.Options.Handler = func(_ context.Context, r *request.Request) (*request.Response, error) {
			held <- struct{}{}
			<-hold
			return &request.Response{Body: []byte(fmt.Sprint(len(r.Body)))}, nil
		}
	})
	resp, body := roundTrip(t, c, newCall(t, "POST", f.url+"/", bytes.NewReader(make([]byte, maxTransportBody+1))))
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "RequestEntityTooLarge") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	most := make([]byte, maxTransportBody)
	answers := make(chan int, 5)
	post := func() {
		resp, err := c.Post(f.url+"/", "", bytes.NewReader(most))
		if err != nil {
			t.Error(err)
			answers <- 0
			return
		}
		resp.Body.Close()
		answers <- resp.StatusCode
	}
	for range maxBodies / maxTransportBody {
		go post()
		wait(t, "a request", held)
	}
	go post() // one more than the connection may hold
	if code := <-answers; code != http.StatusTooManyRequests {
		t.Errorf("%d", code)
	}
	close(hold)
	for range maxBodies / maxTransportBody {
		if code := <-answers; code != http.StatusOK {
			t.Errorf("%d", code)
		}
	}
	if resp, _ := roundTrip(t, c, newCall(t, "POST", f.url+"/", bytes.NewReader(most))); resp.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

func TestHTTP2ALateBodyIsNotWaitedFor(t *testing.T) {
	f, c := startHTTP2(t, told, func(o *fixtureOptions) { o.ReadTimeout = 2 * time.Second }) // in which a slow machine has shaken hands
	read, write := io.Pipe()
	defer write.Close()
	resp, body := roundTrip(t, c, newCall(t, "POST", f.url+"/", read))
	if resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(body, "did not arrive in time") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestHTTP2WatchesArriveAsTheyAreFlushed(t *testing.T) {
	next, ended := make(chan string), make(chan struct{})
	f, c := startHTTP2(t, chunked(func(ctx context.Context, w request.ChunkWriter) error {
		defer close(ended)
		for {
			select {
			case text := <-next:
				fmt.Fprint(chunkIO{w}, text)
				if err := w.Flush(); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	}))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	resp, err := c.Do(newCall(t, "GET", f.url+"/api/v1/pods?watch=1", nil).WithContext(ctx))
	must(t, err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for _, text := range []string{"one\n", strings.Repeat("0123456789", 20_000) + "\n", "three\n"} {
		next <- text
		if got, err := lines.ReadString('\n'); err != nil || got != text {
			t.Fatalf("%.20q %v", got, err)
		}
	}
	cancel() // the client goes, its connection stays
	wait(t, "the end of the watch", ended)
}

func TestHTTP2WatchesEndInOrderAtShutdown(t *testing.T) {
	f, c := startHTTP2(t, chunked(func(ctx context.Context, w request.ChunkWriter) error {
		<-ctx.Done()
		fmt.Fprint(chunkIO{w}, "bye")
		return nil
	}))
	resp, err := c.Get(f.url + "/api/v1/pods?watch=1")
	must(t, err)
	defer resp.Body.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	down := make(chan error, 1)
	go func() { down <- f.Shutdown(ctx) }()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "bye" {
		t.Errorf("%q %v", body, err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

func TestHTTP2AStreamThatFailsIsCut(t *testing.T) {
	var panics atomic.Bool
	f, c := startHTTP2(t, chunked(func(_ context.Context, w request.ChunkWriter) error {
		fmt.Fprint(chunkIO{w}, "half")
		w.Flush()
		if panics.Load() {
			panic("of a stream")
		}
		return errors.New("no more")
	}))
	for _, with := range []bool{false, true} {
		panics.Store(with)
		resp, err := c.Get(f.url + "/api/v1/pods?watch=1")
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil || string(body) != "half" {
			t.Errorf("panic %v: %q %v", with, body, err)
		}
	}
}

func TestHTTP2RelaysWhatAHandlerWrites(t *testing.T) {
	f, c := startHTTP2(t, func(_ context.Context, r *request.Request) (*request.Response, error) {
		return &request.Response{Hijack: func(_ context.Context, conn net.Conn) {
			if r.RawQuery != "" {
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
				return
			}
			io.WriteString(conn, "HTTP/1.1 418 Teapot\r\nX-From: backend\r\nConnection: close\r\n\r\nshort and stout")
			conn.Close()
		}}, nil
	})
	resp, body := roundTrip(t, c, newCall(t, "GET", f.url+"/api/v1/namespaces/a/pods/b/proxy/", nil))
	if resp.StatusCode != http.StatusTeapot || body != "short and stout" || resp.Header.Get("X-From") != "backend" {
		t.Errorf("%d %s %v", resp.StatusCode, body, resp.Header)
	}
	resp, body = roundTrip(t, c, newCall(t, "GET", f.url+"/api/v1/namespaces/a/pods/b/exec?command=x", nil))
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "HTTP/1.1 only") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestHTTP2StrangersGetOneAnswerOnAConnection(t *testing.T) {
	f, c := startHTTP2(t, func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{Body: []byte("{}")}, nil
	})
	stranger := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: c.Transport.(*http.Transport).TLSClientConfig.RootCAs},
	}}
	defer stranger.CloseIdleConnections()
	for _, of := range []struct {
		c    *http.Client
		kept bool
	}{{c, true}, {stranger, false}} {
		roundTrip(t, of.c, newCall(t, "GET", f.url+"/version", nil))
		kept := false
		q := newCall(t, "GET", f.url+"/version", nil)
		q = q.WithContext(httptrace.WithClientTrace(q.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { kept = i.Reused },
		}))
		roundTrip(t, of.c, q)
		if kept != of.kept {
			t.Errorf("the connection is used again: %v, want %v", kept, of.kept)
		}
	}
}
