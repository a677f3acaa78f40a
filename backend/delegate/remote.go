package delegate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"pilothouse/backend/request"

	"k8s.io/client-go/rest"
)

// maxBody is the largest answer that is taken as a whole, in bytes.
const maxBody = 1 << 30

// Remote gives a handler that sends requests to another server, for a
// client.Client that speaks to it. The credentials are the configuration's.
func Remote(config *rest.Config) (request.Handler, error) {
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, r *request.Request) (*request.Response, error) {
		at := url.URL{Scheme: base.Scheme, Host: base.Host, Path: strings.TrimSuffix(base.Path, "/") + r.Path, RawQuery: r.RawQuery}
		req, err := http.NewRequestWithContext(ctx, r.Method, at.String(), bytes.NewReader(r.Body))
		if err != nil {
			return nil, err
		}
		r.Header.Each(req.Header.Add)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		p := &request.Response{Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type")}
		if resp.StatusCode == http.StatusOK && r.Query().Get("watch") == "true" {
			p.Chunked = func(_ context.Context, w request.ChunkWriter) error {
				defer resp.Body.Close()
				_, err := io.Copy(w, resp.Body)
				return err
			}
			return p, nil
		}
		defer resp.Body.Close()
		p.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
		if err == nil && len(p.Body) > maxBody {
			err = errors.New("the answer is too large")
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
		}
		return p, nil
	}, nil
}
