package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pilothouse/backend/request"
)

// echo answers with what it understood of a request.
func echo(_ context.Context, r *request.Request) (*request.Response, error) {
	return &request.Response{ContentType: "text/plain", Body: fmt.Appendf(nil, "[%s %s %d]", r.Method, r.Path, len(r.Body))}, nil
}

func TestMalformedRequestsGetAStatusAndNoEcho(t *testing.T) {
	var handled atomic.Int32
	f := start(t, func(ctx context.Context, r *request.Request) (*request.Response, error) {
		handled.Add(1)
		return echo(ctx, r)
	})
	check := func(name, sent string, codes ...int) {
		t.Helper()
		before := handled.Load()
		answer := f.raw(sent)
		if handled.Load() != before {
			t.Errorf("%s: handled; answer %.300q", name, answer)
		}
		if strings.Contains(answer, "s3cret") {
			t.Errorf("%s: the answer repeats what was sent: %.300q", name, answer)
		}
		for _, code := range codes {
			if strings.HasPrefix(answer, fmt.Sprintf("HTTP/1.1 %d ", code)) && strings.Contains(answer, `"kind":"Status"`) {
				return
			}
		}
		t.Errorf("%s: want a Status with %v, got %.300q", name, codes, answer)
	}
	const host = "Host: localhost\r\n"
	check("not HTTP", "s3cret\r\n\r\n", 400)
	check("header too large", "GET / HTTP/1.1\r\n"+host+"Authorization: Bearer s3cret"+strings.Repeat("x", 40<<10)+"\r\n\r\n", 431)
	check("request line too long", "GET /s3cret"+strings.Repeat("x", 40<<10)+" HTTP/1.1\r\n"+host+"\r\n", 431)
	check("no host", "GET / HTTP/1.1\r\nX: s3cret\r\n\r\n", 400)
	check("space before the colon", "GET / HTTP/1.1\r\n"+host+"X-A : s3cret\r\n\r\n", 400)
	check("two lengths", "POST / HTTP/1.1\r\n"+host+"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400)
	check("length that is no number", "POST / HTTP/1.1\r\n"+host+"Content-Length: s3cret\r\n\r\n", 400)
	check("unknown transfer coding", "POST / HTTP/1.1\r\n"+host+"Transfer-Encoding: s3cret\r\n\r\n", 400)
	check("bad chunk size", "POST / HTTP/1.1\r\n"+host+"Transfer-Encoding: chunked\r\n\r\ns3cret\r\n", 400)
	check("dots", "GET /api/v1/../secrets HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n", 400)
	check("encoded dots", "GET /api/v1/%2e%2E/x HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n", 400)
	check("encoded slash and dots", "GET /api/v1/a%2f..%2fx HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n", 400)
	check("bad escape", "GET /api/%zz HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n", 400)
	check("cut-off escape", "GET /api/%2 HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n", 400)
	check("NUL", "GET /api/%00 HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n", 400)
	check("another host", "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403)
	check("rebound host", "GET / HTTP/1.1\r\nHost: localhost.evil.example:80\r\nConnection: close\r\n\r\n", 403)
}

func TestPathsKeepTheirSlashes(t *testing.T) {
	f := start(t, echo)
	check := func(sent, want string) {
		t.Helper()
		answer := f.raw("GET " + sent + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
		if !strings.HasSuffix(answer, "[GET "+want+" 0]") {
			t.Errorf("%s: %q", sent, answer)
		}
	}
	check("/api/v1//pods", "/api/v1//pods")
	check("/api/v1/pods/", "/api/v1/pods/")
	check("/api/v1/pods/system%3Anode", "/api/v1/pods/system:node")
	check("/a%2Fb", "/a/b")
	check("/a+b", "/a+b")
	check("/a%252e", "/a%2e")
	check("/x..y", "/x..y")
	check("/x?a=/../b", "/x")
	check("http://elsewhere/abs", "/abs")
}

func TestBodies(t *testing.T) {
	f := start(t, echo)
	check := func(name, sent string, want ...string) {
		t.Helper()
		answer := f.raw(sent)
		for _, w := range want {
			if !strings.Contains(answer, w) {
				t.Errorf("%s: %q is not in %.400q", name, w, answer)
			}
		}
	}
	const host = "Host: localhost\r\n"
	check("chunked", "POST /a HTTP/1.1\r\n"+host+"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "[POST /a 5]")
	check("trailers", "POST /a HTTP/1.1\r\n"+host+"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n", "[POST /a 3]")
	check("HTTP/1.0", "GET /a HTTP/1.0\r\n"+host+"\r\n", "HTTP/1.1 200 OK", "Connection: close", "[GET /a 0]")
	check("pipelined", "GET /1 HTTP/1.1\r\n"+host+"\r\nPOST /2 HTTP/1.1\r\n"+host+"Content-Length: 2\r\n\r\nxyGET /3 HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n",
		"[GET /1 0]", "[POST /2 2]", "[GET /3 0]")
	check("unknown method", "BREW /pot HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n", "[BREW /pot 0]")
	check("DELETE with a body", "DELETE /a HTTP/1.1\r\n"+host+"Content-Length: 4\r\nConnection: close\r\n\r\nbody", "[DELETE /a 4]")
	check("expect continue", "POST /a HTTP/1.1\r\n"+host+"Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", "HTTP/1.1 100 Continue", "[POST /a 2]")

	answer := f.raw("HEAD /a HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n")
	if !strings.Contains(answer, "Content-Length: 11\r\n") || !strings.HasSuffix(answer, "\r\n\r\n") {
		t.Errorf("HEAD: %q", answer)
	}
}

// A body that looks like a request must never be handled as one, whatever the
// handler reads of it.
func TestNoRequestIsSmuggled(t *testing.T) {
	var paths []string
	seen := make(chan string, 100)
	f := start(t, func(ctx context.Context, r *request.Request) (*request.Response, error) {
		seen <- r.Path
		return echo(ctx, r)
	})
	const host = "Host: localhost\r\n"
	inner := "DELETE /smuggled HTTP/1.1\r\n" + host + "\r\n"
	for _, sent := range []string{
		fmt.Sprintf("POST /a HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s%s", host, 8192+len(inner), strings.Repeat("x", 8192), inner),
		fmt.Sprintf("GET /a HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", host, len(inner), inner),
		fmt.Sprintf("POST /a HTTP/1.1\r\n%sContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", host, len(inner), inner),
		fmt.Sprintf("POST /a HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n", host, len(inner)) + inner[:0],
		fmt.Sprintf("GET /a HTTP/1.0\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", host, len(inner), inner),
		fmt.Sprintf("HEAD /a HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", host, len(inner), inner),
		fmt.Sprintf("OPTIONS /a HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", host, len(inner), inner),
	} {
		f.raw(sent + "GET /last HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n")
		for len(seen) > 0 {
			paths = append(paths, <-seen)
		}
	}
	for _, p := range paths {
		if p == "/smuggled" {
			t.Errorf("a body was handled as a request: %v", paths)
		}
	}
}

func TestSlowClientsAreDropped(t *testing.T) {
	// A slow machine has sent what it sends in that time.
	f := start(t, echo, func(o *fixtureOptions) { o.ReadTimeout = 2 * time.Second })
	var all sync.WaitGroup
	check := func(sent, want string) {
		all.Go(func() {
			conn, err := net.Dial("tcp", f.dashboard[len("http://"):])
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Error(err)
			}
			conn.SetReadDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // then it is not dropped
			answer, err := io.ReadAll(conn)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Errorf("%q: not dropped", sent)
			}
			if !strings.HasPrefix(string(answer), want) {
				t.Errorf("%q: %q", sent, answer)
			}
		})
	}
	check("", "")
	check("GET / HTTP/1.1\r\nHost: loc", "HTTP/1.1 408 ")
	check("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 408 ")
	all.Wait()
}

func TestBodyAboveTheLimitOfTheAPI(t *testing.T) {
	f := start(t, echo)
	post := func(path string, size int) (int, string) {
		t.Helper()
		resp, err := f.client().Post(f.url+path, "application/json", strings.NewReader(strings.Repeat("x", size)))
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp.StatusCode, string(body)
	}
	if code, _ := post("/api/v1/pods", MaxBody); code != 200 {
		t.Errorf("at the limit: %d", code)
	}
	code, body := post("/api/v1/pods", MaxBody+1)
	if code != 413 || !strings.Contains(body, `"message":"Request entity too large: limit is 3145728"`) {
		t.Errorf("above the limit: %d %s", code, body)
	}
	if code, _ := post("/api/v1/namespaces/a/pods/b/proxy/up", MaxBody+1); code != 200 {
		t.Errorf("through a proxy: %d", code)
	}
}

func TestManyPipelinedRequestsFromAClientThatDoesNotRead(t *testing.T) {
	f := start(t, func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{Body: make([]byte, 60<<10)}, nil
	}, func(o *fixtureOptions) { o.WriteTimeout = 200 * time.Millisecond })
	conn, err := net.Dial("tcp", f.dashboard[len("http://"):])
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	for {
		if _, err := io.WriteString(conn, strings.Repeat("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 50)); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Error("the server holds on to a client that takes nothing")
			}
			return
		}
	}
}

func TestResponsesAreReadableByNetHTTP(t *testing.T) {
	f := start(t, echo)
	conn, err := net.Dial("tcp", f.dashboard[len("http://"):])
	must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if string(body) != "[GET /x 0]" {
		t.Errorf("%s", body)
	}
}
