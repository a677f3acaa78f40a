package logs

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"pilothouse/backend/client"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
)

// Read gives the lines of one pod's log as they are, those of several
// containers one container after the other.
func Read(ctx context.Context, c *client.Client, q Query) ([]string, error) {
	names := []string{q.Container}
	if q.Container == "" {
		pod := &corev1.Pod{}
		if err := c.Get(ctx, pods, q.Namespace, q.Pod, pod); err != nil {
			return nil, err
		}
		names = names[:0]
		for _, one := range Containers(&pod.Spec) {
			names = append(names, one.Name)
		}
	}
	var lines []string
	for _, name := range names {
		split := &splitter{line: func(p []byte) error {
			lines = append(lines, parseLine(0, p).text)
			return nil
		}}
		if err := copyLog(ctx, c, q, q.Pod, name, split); err != nil {
			return lines, err
		}
		if err := split.end(); err != nil {
			return lines, err
		}
	}
	return lines, nil
}

// copyLog writes the log of one container as it is now.
func copyLog(ctx context.Context, c *client.Client, q Query, pod, container string, w request.ChunkWriter) error {
	call := client.Call{Method: http.MethodGet, Path: client.Path(pods, q.Namespace, pod, "log"), Query: q.parameters(container, false), Accept: "text/plain, */*"}
	resp, err := c.Send(ctx, call)
	switch {
	case err != nil:
		return err
	case resp.Chunked != nil:
		return resp.Chunked(ctx, w)
	case resp.Status >= http.StatusBadRequest:
		return client.Error(call, resp)
	}
	_, err = w.Write(resp.Body)
	return err
}

// Download gives what writes whole logs, those of several containers one after
// the other, each below a line with its name. The error of a single log is
// given at once; that of one among many is written in its place.
func Download(ctx context.Context, c *client.Client, q Query, explain func(error) string) (func(ctx context.Context, w request.ChunkWriter) error, error) {
	f := &Feed{client: c, query: q, pods: map[string]*corev1.Pod{}}
	if _, _, err := f.list(ctx); err != nil {
		return nil, err
	}
	type part struct{ pod, container string }
	var parts []part
	for _, p := range f.inOrder() {
		for _, one := range Containers(&p.Spec) {
			if q.Container == "" || one.Name == q.Container {
				parts = append(parts, part{p.Name, one.Name})
			}
		}
	}
	return func(ctx context.Context, w request.ChunkWriter) error {
		for _, p := range parts {
			if len(parts) > 1 {
				if _, err := fmt.Fprintf(w, "==> %s/%s <==\n", p.pod, p.container); err != nil {
					return err
				}
			}
			if err := copyLog(ctx, c, q, p.pod, p.container, w); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if _, err := io.WriteString(w, explain(err)+"\n"); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil
}
