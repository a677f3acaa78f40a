package life

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"pilothouse/backend/request"

	"k8s.io/klog/v2"
)

const clock = "15:04:05.000"

// logTrace logs the steps of a request and their times, in the form of
// Kubernetes' utiltrace.
func (r *Record) logTrace() { klog.Info(r.Trace(rand.Uint32())) }

// Trace is the text of that log; id tells its lines from those of others.
func (r *Record) Trace(id uint32) string {
	var b strings.Builder
	head := fmt.Sprintf("Trace[%d]:", id)
	user := ""
	if r.User != nil {
		user = r.User.Name
	}
	fmt.Fprintf(&b, "%s %q audit-id:%s,client:%s,user:%s,user-agent:%s,url:%s,resource:%s,code:%d (%s) (total time: %dms):",
		head, title(r.Info.Verb), r.ID, r.From, user, r.Agent, r.URI, r.Info.Resource, r.Code,
		r.Received.UTC().Format("02-Jan-2006 "+clock), r.Took.Milliseconds())
	for _, s := range Steps(r.Marks, r.Took) {
		s.text(&b, head, " ", r.Received)
	}
	fmt.Fprintf(&b, "\n%s [%v] [%v] END", head, r.Took, r.Took)
	return b.String()
}

func title(verb string) string {
	if verb == "" {
		return "Request"
	}
	return strings.ToUpper(verb[:1]) + verb[1:]
}

// text writes a step with those that are part of it: as a line, or as a nested
// trace.
func (s *Step) text(b *strings.Builder, head, indent string, received time.Time) {
	ended := received.Add(s.Began + s.Took).UTC().Format(clock)
	if len(s.Parts) == 0 {
		fmt.Fprintf(b, "\n%s%s---%q%s %dms (%s)", head, indent, s.Name, s.note(), s.Took.Milliseconds(), ended)
		return
	}
	fmt.Fprintf(b, "\n%s%s[%q%s %dms (%s)", head, indent, s.Name, s.note(), s.Took.Milliseconds(), received.Add(s.Began).UTC().Format(clock))
	for i := range s.Parts {
		s.Parts[i].text(b, head, indent+" ", received)
	}
	b.WriteByte(']')
}

func (s *Step) note() string {
	if s.Error == "" {
		return ""
	}
	return fmt.Sprintf(" err:%q", s.Error)
}

// Step is a step with the steps that are part of it.
type Step struct {
	Name string
	// Began is after the request was received.
	Began, Took time.Duration
	request.More
	Parts []Step
}

// Steps gives the stages of a request that its marks tell, in order. What comes
// after the last mark, until the end, is a stage of its own when it took any
// time to speak of.
func Steps(marks []request.Mark, took time.Duration) []Step {
	var stages []Step
	var open [4][]Step // what waits for the step that it is part of, by depth
	last := time.Duration(0)
	for _, m := range marks {
		depth := min(int(m.Depth), len(open)-1)
		s := Step{Name: m.Name, Began: last}
		if m.More != nil {
			s.More = *m.More
			if m.More.Began > 0 {
				s.Began = m.More.Began
			}
		}
		if depth+1 < len(open) {
			s.Parts, open[depth+1] = open[depth+1], nil
			if len(s.Parts) > 0 && (m.More == nil || m.More.Began == 0) {
				s.Began = s.Parts[0].Began
			}
		}
		s.Took = max(m.At-s.Began, 0)
		last = m.At
		if depth == 0 {
			stages = append(stages, s)
		} else {
			open[depth] = append(open[depth], s)
		}
	}
	for d := len(open) - 1; d > 0; d-- { // the stage that they are part of was not reached
		stages = append(stages, open[d]...)
	}
	if rest := took - last; rest > took/100 || len(stages) == 0 {
		stages = append(stages, Step{Name: "Answered", Began: last, Took: rest})
	}
	return stages
}
