package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"pilothouse/backend/client"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
)

// Read gives the lines of one pod's log as they are, those of several
// containers one container after the other, the first most of each. The Query has
// one Pick, of one pod.
func Read(ctx context.Context, c *client.Client, q Query, most int) ([]string, error) {
	of := q.Picks[0]
	names := []string{q.Container}
	if q.Container == "" {
		pod := &corev1.Pod{}
		if err := c.Get(ctx, pods, of.Namespace, of.Pod, pod); err != nil {
			return nil, err
		}
		names = names[:0]
		for _, one := range Containers(&pod.Spec) {
			names = append(names, one.Name)
		}
	}
	var lines []string
	for _, name := range names {
		before := len(lines)
		split := &splitter{line: func(p []byte) error {
			l := parseLine(0, p)
			if q.isPast(l.at) || len(lines)-before >= most {
				return errPast
			}
			lines = append(lines, l.text)
			return nil
		}}
		err := copyLog(ctx, c, q, of.Namespace, of.Pod, name, split)
		if err == nil {
			err = split.end()
		}
		if err != nil && !errors.Is(err, errPast) {
			return lines, err
		}
	}
	return lines, nil
}

// copyRange is copyLog up to the end of the query's range.
func copyRange(ctx context.Context, c *client.Client, q Query, namespace, pod, container string, w request.ChunkWriter) error {
	if q.To.IsZero() {
		return copyLog(ctx, c, q, namespace, pod, container, w)
	}
	split := &splitter{line: func(p []byte) error {
		if l := parseLine(0, p); q.isPast(l.at) {
			return errPast
		}
		_, err := w.Write(append(p[:len(p):len(p)], '\n'))
		return err
	}}
	err := copyLog(ctx, c, q, namespace, pod, container, split)
	if err == nil {
		err = split.end()
	}
	if errors.Is(err, errPast) {
		return nil
	}
	return err
}

// copyLog writes the log of one container as it is now.
func copyLog(ctx context.Context, c *client.Client, q Query, namespace, pod, container string, w request.ChunkWriter) error {
	call := client.Call{Method: http.MethodGet, Path: client.Path(pods, namespace, pod, "log"), Query: q.Parameters(container, false), Accept: "text/plain, */*"}
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

// Pods are the pods of a query, with their containers and the states of those, in
// the order of namespaces and names.
func Pods(ctx context.Context, c *client.Client, q Query) ([]*corev1.Pod, error) {
	f, err := find(ctx, c, q)
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(f.pods), func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	}), nil
}

// ContainerNames are the names of the containers of all pods of a query, in their
// order.
func ContainerNames(ctx context.Context, c *client.Client, q Query) ([]string, error) {
	f, err := find(ctx, c, q)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range f.pods {
		for _, one := range Containers(&p.Spec) {
			if !slices.Contains(names, one.Name) {
				names = append(names, one.Name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// find finds out which pods there are, without following them. It is an error
// only when none of the Picks can be seen.
func find(ctx context.Context, c *client.Client, q Query) (*Feed, error) {
	picks, err := readPicks(q.Picks)
	if err != nil {
		return nil, err
	}
	f := &Feed{client: c, query: q, pods: map[string]*corev1.Pod{}, problems: map[int]string{}}
	for i, p := range picks {
		if _, _, err := f.list(ctx, p); err != nil {
			if f.problems[i] = err.Error(); len(f.problems) == len(picks) {
				return nil, err
			}
		}
	}
	return f, nil
}

// Download gives what writes whole logs, those of several containers one after
// the other, each below a line with its name. The error of a single log is
// given at once; that of one among many is written in its place.
func Download(ctx context.Context, c *client.Client, q Query, explain func(error) string) (func(ctx context.Context, w request.ChunkWriter) error, error) {
	f, err := find(ctx, c, q)
	if err != nil {
		return nil, err
	}
	type part struct{ namespace, pod, container string }
	var parts []part
	several := false // namespaces
	for _, p := range f.inOrder() {
		for _, one := range Containers(&p.Spec) {
			if q.Container == "" || one.Name == q.Container {
				parts = append(parts, part{p.Namespace, p.Name, one.Name})
				several = several || p.Namespace != parts[0].namespace
			}
		}
	}
	return func(ctx context.Context, w request.ChunkWriter) error {
		if problem := f.problem(); problem != "" {
			if _, err := io.WriteString(w, problem+"\n"); err != nil {
				return err
			}
		}
		for _, p := range parts {
			if len(parts) > 1 {
				name := p.pod + "/" + p.container
				if several {
					name = p.namespace + "/" + name
				}
				if _, err := fmt.Fprintf(w, "==> %s <==\n", name); err != nil {
					return err
				}
			}
			if err := copyRange(ctx, c, q, p.namespace, p.pod, p.container, w); err != nil {
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
