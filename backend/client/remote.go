package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"pilothouse/backend/request"
)

// maxRemoteAnswer bounds an answer that is kept whole.
const maxRemoteAnswer = 256 << 20

// Remote gives a Handler that sends requests to an API server over the network,
// so that a Client works for one. Who the caller is to it, the HTTP client's
// credentials say; the request's User is not sent.
func Remote(base *url.URL, h *http.Client) request.Handler {
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		u := *base
		u.Path, u.RawQuery = strings.TrimSuffix(base.Path, "/")+r.Path, r.RawQuery
		var body io.Reader
		if r.Body != nil {
			body = bytes.NewReader(r.Body)
		}
		// The context ends with the answer of a watch, which is read later.
		q, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
		if err != nil {
			return nil, err
		}
		if r.Header != nil {
			r.Header.Each(func(name, value string) { q.Header.Add(name, value) })
		}
		answer, err := h.Do(q)
		if err != nil {
			return nil, err
		}
		out := &request.Response{Status: answer.StatusCode, ContentType: answer.Header.Get("Content-Type")}
		if answer.StatusCode == http.StatusOK && r.Query().Get("watch") == "true" {
			out.Chunked = func(ctx context.Context, w request.ChunkWriter) error {
				stop := context.AfterFunc(ctx, func() { answer.Body.Close() })
				defer stop()
				defer answer.Body.Close()
				_, err := io.Copy(w, answer.Body)
				return err
			}
			return out, nil
		}
		defer answer.Body.Close()
		if out.Body, err = io.ReadAll(io.LimitReader(answer.Body, maxRemoteAnswer)); err != nil {
			return nil, fmt.Errorf("read the answer of %s %s: %w", r.Method, r.Path, err)
		}
		return out, nil
	}
}
