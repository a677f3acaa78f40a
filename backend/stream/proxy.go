package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/metrics"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/proxy"
)

// maxWhole is the longest body that is sent as one; longer ones, and those of
// unknown length, are sent as they come.
const maxWhole = 256 << 10

// maxPage is the longest HTML page whose links are rewritten: that is done with
// all of it in memory.
const maxPage = 16 << 20

// pages bounds the HTML that a backend sends.
type pages struct{ http.RoundTripper }

// RoundTrip makes reading a longer page fail.
func (t pages) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxPage)
	}
	return resp, err
}

// forward sends a request on to what target names, below a path, and gives the
// answer. Links and redirects in it are rewritten so that they lead through the
// API server again (k8s.io/apimachinery/pkg/util/proxy does this for
// Kubernetes, too).
func (s *Server) forward(ctx context.Context, r *request.Request, target *url.URL, below string, transport *http.Transport) (*request.Response, error) {
	to := *target
	to.Path = join(to.Path, below)
	to.RawQuery = r.RawQuery
	if wantsUpgrade(r) {
		return s.passThrough(ctx, r, &to, transport)
	}
	if !strings.HasSuffix(to.Path, "/") && strings.HasSuffix(r.Path, "/") {
		to.Path += "/"
	}
	if to.Path == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return addSlash(r), nil
	}
	req := &http.Request{
		Method: r.Method, URL: &to, Host: r.Header.Get("Host"), Header: forwarded(r),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	dropHopByHop(req.Header)
	if len(r.Body) > 0 {
		body := r.Body
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	e := begin(ctx, req, &proxy.Transport{PathPrepend: prefixOf(r.Path, to.Path), RoundTripper: pages{transport}})
	if !e.answered(ctx, s.o.Patience) {
		return late(r, e), nil
	}
	if e.err != nil {
		e.end()
		return nil, asStatus(e.err)
	}
	return answer(r, e, e.resp)
}

// asStatus makes an error of the transport one of the API.
func asStatus(err error) error {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return apierrors.NewServiceUnavailable("error trying to reach service: the page is too long for its links to be rewritten")
	}
	var known *apierrors.StatusError
	if errors.As(err, &known) {
		return known
	}
	return shownError(err.Error())
}

// late waits for an answer on the client's own connection, where it is noticed
// when the client goes away. The connection ends with the answer.
func late(r *request.Request, e *exchange) *request.Response {
	take := e.lend()
	return &request.Response{Hijack: func(ctx context.Context, client net.Conn) {
		if !take() {
			return
		}
		defer e.end()
		ctx, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(ctx, e.cancel)
		var watch sync.WaitGroup
		watch.Go(metrics.Guarded("stream", func() {
			defer cancel()
			_, _ = client.Read(make([]byte, 1)) // whatever comes, it is the end
		}))
		defer watch.Wait()
		defer client.Close()
		defer stop()
		resp, err := e.wait(ctx)
		if err != nil {
			resp = errorAnswer(asStatus(err))
		}
		if ctx.Err() == nil {
			_ = lateAnswer(r, resp).Write(client)
		}
	}}
}

// lateAnswer is a backend's answer as it is written to the client.
func lateAnswer(r *request.Request, resp *http.Response) *http.Response {
	out := &http.Response{
		StatusCode: resp.StatusCode, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Close: true,
		Body: resp.Body, ContentLength: resp.ContentLength, Request: &http.Request{Method: r.Method},
	}
	for _, l := range returned(r, resp.Header) {
		out.Header.Add(l.Name, l.Value)
	}
	if t := resp.Header.Get("Content-Type"); t != "" {
		out.Header.Set("Content-Type", t)
	}
	out.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return out
}

func errorAnswer(err error) *http.Response {
	status := statusOf(err)
	status.Kind, status.APIVersion = "Status", "v1"
	b, _ := json.Marshal(status)
	return &http.Response{
		StatusCode: int(status.Code), Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b)),
	}
}

// join puts a path below another, keeping a slash at its end.
func join(base, below string) string {
	joined := path.Join(base, below)
	if strings.HasSuffix(below, "/") && !strings.HasSuffix(joined, "/") {
		joined += "/"
	}
	return joined
}

// prefixOf is what a path of the backend's is to be prepended by.
func prefixOf(public, private string) string {
	if strings.HasSuffix(public, "/") && !strings.HasSuffix(private, "/") {
		private += "/"
	}
	return strings.TrimSuffix(public, private)
}

// addSlash sends a client to the root of what it asked for: relative links would
// lead beside it otherwise.
func addSlash(r *request.Request) *request.Response {
	location := (&url.URL{Path: r.Path + "/"}).EscapedPath()
	if r.RawQuery != "" {
		location += "?" + r.RawQuery
	}
	return &request.Response{Status: http.StatusMovedPermanently, Header: []request.HeaderLine{{Name: "Location", Value: location}}}
}

// answer hands on a backend's answer.
func answer(r *request.Request, e *exchange, resp *http.Response) (*request.Response, error) {
	out := &request.Response{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Header: returned(r, resp.Header)}
	switch {
	case r.Method == http.MethodHead || resp.ContentLength == 0:
		e.end()
		return out, nil
	case resp.ContentLength > 0 && resp.ContentLength <= maxWhole:
		defer e.end()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, apierrors.NewServiceUnavailable("error trying to reach service: " + err.Error())
		}
		out.Body = body
		return out, nil
	}
	take := e.lend()
	out.Chunked = func(ctx context.Context, w request.ChunkWriter) error {
		if !take() {
			return context.DeadlineExceeded
		}
		defer e.end()
		stop := context.AfterFunc(ctx, e.cancel)
		defer stop()
		return readStream(resp.Body, 0, func(p []byte) error {
			if _, err := w.Write(p); err != nil {
				return err
			}
			return w.Flush()
		})
	}
	return out, nil
}

// returned gives the headers of an answer as they go to the client. In a browser,
// where the dashboard has the same origin, a page of a pod must not act as its
// user: it gets an origin of its own and sets no cookies.
func returned(r *request.Request, h http.Header) []request.HeaderLine {
	h = h.Clone()
	dropHopByHop(h)
	for _, name := range []string{"Content-Type", "Content-Length", "Date"} { // set by the transport
		h.Del(name)
	}
	if fromBrowser(r) {
		h.Del("Set-Cookie")
		h.Add("Content-Security-Policy", "sandbox allow-scripts allow-forms")
	}
	var lines []request.HeaderLine
	for name, values := range h {
		for _, v := range values {
			lines = append(lines, request.HeaderLine{Name: name, Value: v})
		}
	}
	return lines
}
