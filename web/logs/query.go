// Package logs owns what the dashboard shows of logs: the log of one container,
// or those of many pods as one, each line with its time. It asks the API as the
// user who looks, follows pods that come later, and goes on after a lost
// connection where the browser's lines end. Read query.go first, then feed.go,
// source.go and line.go.
package logs

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Query is what somebody wants to see.
type Query struct {
	// Picks say of which pods.
	Picks []Pick
	// Container is the name of the only container of each pod, empty for all.
	Container string
	// Previous asks for the log of the container before its last restart.
	Previous bool
	// Tail is how many lines there are at first at most, of each container;
	// negative for all.
	Tail int64
	// Since is how old lines are at most; 0 for any age.
	Since time.Duration
	// From is the time from which lines are wanted, To that up to which, both
	// included; zero for any.
	From, To time.Time
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
	q.From, q.To = parseTime(v.Get("from")), parseTime(v.Get("to"))
	if q.Ranged() {
		q.Since, q.Tail, q.Follow = 0, -1, !q.isOver()
	}
	return q
}

// Ranged tells whether lines of a range of times are wanted.
func (q *Query) Ranged() bool { return !q.From.IsZero() || !q.To.IsZero() }

// parseTime reads a time of an address. One without a zone is what a form sends
// without scripts: it is in UTC.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	return time.Time{}
}

// isOver tells whether no more lines of the range can come.
func (q *Query) isOver() bool { return !q.To.IsZero() && !time.Now().Before(q.To) }

// isPast tells whether a line is of after the range.
func (q *Query) isPast(at int64) bool { return !q.To.IsZero() && at > q.To.UnixNano() }

// Parameters are those of the API's request for the log of one container.
func (q *Query) Parameters(container string, follow bool) url.Values {
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
