// Package logs owns what the dashboard shows of logs: the log of one container,
// or those of many pods as one, each line with its time. It asks the API as the
// user who looks, follows pods that come later, and goes on after a lost
// connection where the browser's lines end. Read query.go first, then feed.go,
// source.go and line.go.
package logs

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Query is what somebody wants to see.
type Query struct {
	Namespace string
	// Pod is the name of the one pod, empty for all that Selector selects.
	Pod      string
	Selector string
	// Pods are the names of the only pods, empty for all.
	Pods []string
	// Container is the name of the only container of each pod, empty for all.
	Container string
	// Previous asks for the log of the container before its last restart.
	Previous bool
	// Tail is how many lines there are at first at most, of each container;
	// negative for all.
	Tail int64
	// Since is how old lines are at most; 0 for any age.
	Since time.Duration
	// From is the time from which lines are wanted; zero for any.
	From time.Time
	// Follow tells that new lines are wanted too.
	Follow bool
}

// DefaultTail is how many lines there are when nothing else is said.
const DefaultTail = 1000

// ParseQuery reads what the parameters of an address say about a log; what
// cannot be read is as if it was not there.
func ParseQuery(v url.Values) Query {
	q := Query{Container: v.Get("container"), Previous: v.Get("previous") != "", Tail: DefaultTail, Follow: true}
	switch since := v.Get("since"); {
	case since == "all":
		q.Tail = -1
	case strings.HasPrefix(since, "tail"):
		if n, err := strconv.ParseInt(since[len("tail"):], 10, 32); err == nil && n >= 0 {
			q.Tail = n
		}
	case since != "":
		if d, err := time.ParseDuration(since); err == nil && d >= time.Second {
			q.Since, q.Tail = d, -1
		}
	}
	if at, err := time.Parse(time.RFC3339, v.Get("from")); err == nil {
		q.From, q.Since, q.Tail = at, 0, -1
	}
	return q
}

func (q *Query) wants(pod string) bool { return len(q.Pods) == 0 || slices.Contains(q.Pods, pod) }

// parameters are those of the API's request for the log of one container.
func (q *Query) parameters(container string, follow bool) url.Values {
	v := url.Values{"container": {container}, "timestamps": {"true"}}
	if follow {
		v.Set("follow", "true")
	}
	if q.Previous {
		v.Set("previous", "true")
	}
	if q.Tail >= 0 {
		v.Set("tailLines", strconv.FormatInt(q.Tail, 10))
	}
	if q.Since > 0 {
		v.Set("sinceSeconds", strconv.FormatInt(int64(q.Since/time.Second), 10))
	}
	if !q.From.IsZero() {
		v.Set("sinceTime", q.From.UTC().Format(time.RFC3339))
	}
	return v
}

// Container is one container of a pod or of a pod template.
type Container struct {
	Name string
	// Kind is "", "init" or "ephemeral".
	Kind string
}

// Containers are those of a pod in the order in which they start.
func Containers(spec *corev1.PodSpec) []Container {
	var list []Container
	for _, c := range spec.InitContainers {
		list = append(list, Container{c.Name, "init"})
	}
	for _, c := range spec.Containers {
		list = append(list, Container{Name: c.Name})
	}
	for _, c := range spec.EphemeralContainers {
		list = append(list, Container{c.Name, "ephemeral"})
	}
	return list
}
