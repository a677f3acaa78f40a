package aggregator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
)

// handlerOf sends requests on to a target.
func (m *Manager) handlerOf(t *target) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		switch {
		case !t.available:
			return text(http.StatusServiceUnavailable, "service unavailable"), nil
		case t.remote.broken != nil:
			return text(http.StatusInternalServerError, t.remote.broken.Error()), nil
		case r.User == nil:
			return text(http.StatusInternalServerError, "missing user"), nil
		}
		address, err := t.remote.pick(ctx, m)
		if err != nil {
			klog.V(2).InfoS("APIService has no address", "name", t.name, "err", err)
			return text(http.StatusServiceUnavailable, "service unavailable"), nil
		}
		return m.forward(ctx, r, t, address)
	}
}

// text is an answer as net/http's Error gives it.
func text(status int, words string) *request.Response {
	return &request.Response{
		Status: status, ContentType: "text/plain; charset=utf-8", Body: []byte(words + "\n"),
		Header: []request.HeaderLine{{Name: "X-Content-Type-Options", Value: "nosniff"}},
	}
}

// forward makes the request at an address and gives the answer. The exchange may
// outlast ctx, which ends when the answer begins.
func (m *Manager) forward(ctx context.Context, r *request.Request, t *target, address string) (*request.Response, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, cancel)
	defer release()
	upgrade := upgradeOf(r)
	req := (&http.Request{
		Method: r.Method, URL: &url.URL{Scheme: "https", Host: address, Path: r.Path, RawQuery: r.Query().Encode()},
		Header: m.headerFor(r), ContentLength: int64(len(r.Body)),
	}).WithContext(own)
	if len(r.Body) > 0 {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
		req.Body, _ = req.GetBody()
	}
	transport := t.remote.plain
	if upgrade != "" {
		transport = t.remote.upgrades
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", upgrade)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		cancel()
		if ctx.Err() != nil {
			return nil, timedOut(ctx)
		}
		m.queue.Add(t.name) // it may have gone
		return text(http.StatusServiceUnavailable, "error trying to reach service: "+err.Error()), nil
	}
	e := &exchange{request: r, response: resp, cancel: cancel}
	switch {
	case isRedirect(resp):
		e.close()
		return text(http.StatusBadGateway, "the backend attempted to redirect this request, which is not permitted"), nil
	case resp.StatusCode == http.StatusSwitchingProtocols && upgrade != "":
		return e.switched(), nil
	}
	return e.answer(ctx)
}

func timedOut(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return apierrors.NewTimeoutError("request did not complete within the allotted timeout", 0)
	}
	return ctx.Err()
}

// isRedirect tells an answer that sends the client elsewhere. A server that
// extends the API could send callers, and this server's certificate, anywhere.
func isRedirect(resp *http.Response) bool {
	return resp.StatusCode >= 300 && resp.StatusCode <= 399 && resp.Header.Get("Location") != ""
}

// upgradeOf is the protocol that a request wants to go on with, empty for none.
func upgradeOf(r *request.Request) string {
	protocol := r.Header.Get("Upgrade")
	if protocol == "" {
		return ""
	}
	for _, v := range r.Header.Values("Connection") {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(part), "upgrade") {
				return protocol
			}
		}
	}
	return ""
}

// exchange is a request that another server has begun to answer.
type exchange struct {
	request  *request.Request
	response *http.Response
	cancel   context.CancelFunc
	// begun is what was read of the body already.
	begun []byte
}

func (e *exchange) close() {
	e.response.Body.Close()
	e.cancel()
}

// bufferUpTo is the size up to which answers are taken as a whole, so that the
// client's connection can be used again.
const bufferUpTo = 256 << 10

// answer gives the answer: whole when it is small and not a watch, otherwise as
// it comes.
func (e *exchange) answer(ctx context.Context) (*request.Response, error) {
	resp := e.response
	p := &request.Response{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Header: headerOf(resp.Header)}
	if e.request.Method == http.MethodHead {
		e.close()
		return p, nil
	}
	if !e.request.Info.LongRunning() {
		body, err := io.ReadAll(io.LimitReader(resp.Body, bufferUpTo+1))
		if err != nil {
			e.close()
			if ctx.Err() != nil {
				return nil, timedOut(ctx)
			}
			return text(http.StatusServiceUnavailable, "error trying to reach service: "+err.Error()), nil
		}
		if len(body) <= bufferUpTo {
			e.close()
			p.Body = body
			return p, nil
		}
		e.begun = body
	}
	p.Chunked = e.stream
	e.closeWhenDropped()
	return p, nil
}

// closeWhenDropped ends the exchange when nobody has it any more: an answer
// whose client is gone before it begins is dropped.
func (e *exchange) closeWhenDropped() {
	runtime.AddCleanup(e, func(cancel context.CancelFunc) { cancel() }, e.cancel)
}

// stream passes the body on as it comes.
func (e *exchange) stream(ctx context.Context, w request.ChunkWriter) error {
	defer e.close()
	release := context.AfterFunc(ctx, e.cancel)
	defer release()
	if _, err := w.Write(e.begun); err != nil {
		return err
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := e.response.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
	}
}
