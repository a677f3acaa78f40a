package pages

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"pilothouse/web/messages"
	"pilothouse/web/view"
)

const timeFormat = time.RFC3339

// jobBlocks are how far a job is, and its pods.
func jobBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	want := int64(1)
	if dig(spec, "completions") != nil {
		want = digInt(spec, "completions")
	}
	var f factList
	f.add("Active", digText(status, "active"))
	f.add("Failed", c.T("%d of at most %d", digInt(status, "failed"), digInt(spec, "backoffLimit")))
	f.add("At the same time", digText(spec, "parallelism"))
	f.add("Completion mode", digText(spec, "completionMode"))
	f.add("Suspended", c.boolWord(dig(spec, "suspend")))
	f.moment("Started", digText(status, "startTime"))
	f.moment("Completed", digText(status, "completionTime"))
	f.add("Took", tookText(digText(status, "startTime"), digText(status, "completionTime")))
	f.add("Deadline", secondsText(dig(spec, "activeDeadlineSeconds")))
	f.add("Kept after the end", secondsText(dig(spec, "ttlSecondsAfterFinished")))
	g := progress("Succeeded", digInt(status, "succeeded"), want)
	if digInt(status, "failed") > 0 && digInt(status, "active") == 0 && g.Percent < 100 {
		g.Tone = view.Bad
	}
	blocks := []view.Block{{Title: "Progress", Gauges: []view.Gauge{g}, Facts: f}}
	selector := selectorText(dig(spec, "selector"))
	if a, ok := c.served("", "pods"); ok && selector != "" {
		a.namespace = o.namespace
		blocks = append(blocks, c.rowsBlock(ctx, "Pods", a, selector, ""))
	}
	return blocks
}

func (c *Call) boolWord(v any) string {
	if v == true {
		return c.T("yes")
	}
	return ""
}

func secondsText(v any) string {
	if v == nil {
		return ""
	}
	return (time.Duration(digInt(map[string]any{"n": v}, "n")) * time.Second).String()
}

func tookText(from, to string) string {
	a, err1 := time.Parse(timeFormat, from)
	b, err2 := time.Parse(timeFormat, to)
	if err1 != nil || err2 != nil {
		return ""
	}
	return age(b.Sub(a))
}

// cronJobBlocks are the schedule with the next times, and the jobs that it made.
func cronJobBlocks(ctx context.Context, c *Call, o *loaded) []view.Block {
	spec, status := o.object.Object["spec"], o.object.Object["status"]
	var f factList
	zone := digText(spec, "timeZone")
	f.add("Schedule", strings.TrimSpace(digText(spec, "schedule")+" "+zone))
	f.add("Suspended", c.boolWord(dig(spec, "suspend")))
	f.moment("Last scheduled", digText(status, "lastScheduleTime"))
	f.moment("Last success", digText(status, "lastSuccessfulTime"))
	f.add("When one still runs", c.T(map[string]messages.Text{"Allow": "start another (Allow)", "Forbid": "skip (Forbid)", "Replace": "replace it (Replace)"}[digText(spec, "concurrencyPolicy")]))
	f.add("Starts at most late by", secondsText(dig(spec, "startingDeadlineSeconds")))
	f.add("Kept", c.T("%s successful, %s failed", digText(spec, "successfulJobsHistoryLimit"), digText(spec, "failedJobsHistoryLimit")))
	b := view.Block{Title: "Schedule", Facts: f}
	if dig(spec, "suspend") != true {
		if next := nextTimes(digText(spec, "schedule"), zone, c.Clock(), 3); len(next) > 0 {
			var texts []string
			if o.until(next[0]); next[0].Sub(c.Clock()) < 3*time.Hour {
				o.until(c.Clock().Add(time.Minute)) // how long it is until then
			}
			for _, at := range next {
				texts = append(texts, c.T("%s (in %s)", c.Weekday(at), age(at.Sub(c.Clock()))))
			}
			b.Facts = append(b.Facts, view.Fact{Name: "Next", Cell: view.Cell{Text: strings.Join(texts, ", ")}})
		}
	}
	blocks := []view.Block{b}
	a, ok := c.served("batch", "jobs")
	if !ok {
		return blocks
	}
	list, err := c.listObjects(ctx, a, o.namespace, "")
	if err != nil {
		return append(blocks, view.Block{Title: "Jobs", Note: messages.Data(c.reason(err))})
	}
	list = slices.DeleteFunc(list, func(m map[string]any) bool { return !ownedBy(m, string(o.object.GetUID())) })
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return digText(b, "metadata creationTimestamp") < digText(a, "metadata creationTimestamp")
	})
	t := &view.Table{Columns: []messages.Text{"Job", "State", "Succeeded", "Failed", "Took", "Started"}, Empty: "It has not made one yet."}
	for _, m := range list[:min(len(list), shownRelated)] {
		state, tone := jobState(m)
		name := digText(m, "metadata name")
		t.Rows = append(t.Rows, []view.Cell{
			linked(name, objectPath(a.gvr, o.namespace, name)), toned(state, tone), {Text: digText(m, "status succeeded")}, {Text: digText(m, "status failed")},
			{Text: tookText(digText(m, "status startTime"), digText(m, "status completionTime"))}, timed(digText(m, "status startTime")),
		})
	}
	return append(blocks, view.Block{Title: messages.Said(c.T("Jobs · %d", len(list))), Table: t})
}

// jobState is a job's state in a word.
func jobState(m map[string]any) (text, tone string) {
	for _, k := range objects(dig(m, "status conditions")) {
		if k["status"] != "True" {
			continue
		}
		switch k["type"] {
		case "Complete":
			return "Complete", view.Gone
		case "Failed":
			return "Failed", view.Bad
		case "Suspended":
			return "Suspended", view.Warn
		}
	}
	if digInt(m, "status active") > 0 {
		return "Running", view.Good
	}
	return "Waiting", view.Warn
}

func ownedBy(m map[string]any, uid string) bool {
	return slices.Contains(fieldOf(dig(m, "metadata ownerReferences"), "uid"), uid)
}
