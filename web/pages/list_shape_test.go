package pages

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pilothouse/backend/registry"
	"pilothouse/web/rows"
)

// R8: numbers are on the right, in a place of their own beside what is said of them,
// and a card on a phone has as many lines as its values need.
func TestShapeOfLists(t *testing.T) {
	var s listState
	s.entry = &registry.Entry{Resource: &registry.Resource{Namespaced: true}}
	s.gvr.Group, s.gvr.Resource = "apps", "deployments"
	pods := []rows.Column{{Name: "Name"}, {Name: "Ready"}, {Name: "Status"}, {Name: "Restarts", Type: "string"}, {Name: "Age"}}
	calm := []*rows.Row{{UID: "1", Namespace: "shop", Cells: []string{"web-1", "1/1", "Running", "0", "5s"}}}
	worn := append(calm, &rows.Row{UID: "2", Namespace: "shop", Cells: []string{"web-2", "0/1", "CreateContainerConfigError", "14 (30h ago)", "5s"}})

	sh := newShape(&s, pods, 4, calm)
	if sh.noted || sh.lines != 3 {
		t.Errorf("pods that never restarted: noted %v, %d lines", sh.noted, sh.lines)
	}
	if c := sh.row(worn[1], nil).Cells[4]; !c.Num || c.Text != "14 (30h ago)" || c.Noted {
		t.Errorf("a pod that restarted since: %+v", c)
	}
	noted := newShape(&s, pods, 4, worn)
	if !noted.noted || noted.lines != 4 || noted.key == sh.key {
		t.Errorf("pods that restarted: noted %v, %d lines, key %q", noted.noted, noted.lines, noted.key)
	}
	if c := noted.row(worn[1], nil).Cells[4]; c.Text != "14" || c.Note != "(30h ago)" || !c.Noted {
		t.Errorf("the one that restarted: %+v", c)
	}
	if c := noted.row(calm[0], nil).Cells[4]; c.Text != "0" || c.Note != "" || !c.Noted {
		t.Errorf("the one that did not: %+v", c)
	}
	// A page says how its rows are shown; the same ones are sent anew.
	if sh := newShape(&s, pods, 4, nil); sh.key != noted.key {
		if sh.like(noted.key); sh.key != noted.key || !sh.noted {
			t.Errorf("the shape of the page %q is %q", noted.key, sh.key)
		}
	}

	for name, want := range map[string]bool{"Up-to-date": true, "Available": true, "Data": true, "Ready": false, "Version": false} {
		if c := (&shapeColumn{Column: rows.Column{Name: name, Type: "string"}}); c.num(&s) != want {
			t.Errorf("%s is a column of numbers: %v", name, !want)
		}
	}
	s.gvr.Group = "apiregistration.k8s.io"
	if c := (&shapeColumn{Column: rows.Column{Name: "Available"}}); c.num(&s) {
		t.Error("whether an API service is available is no number")
	}
	if long, short := length("MessageMessage"), length(strings.Repeat("il", 7)); long <= 2*short {
		t.Errorf("wide letters %d, narrow ones %d", long, short)
	}
}

// Section 9: beside the panel a list shows names, states and ages without scrolling
// sideways; the columns that matter least go first, and come back where they are
// asked for.
func TestWhatNarrowListsShow(t *testing.T) {
	var s listState
	s.entry = &registry.Entry{Resource: &registry.Resource{Namespaced: true}}
	pods := []rows.Column{{Name: "Name"}, {Name: "Ready"}, {Name: "Status"}, {Name: "Restarts", Type: "string"}, {Name: "Age"}, {Name: "IP", Priority: 1}}
	sample := []*rows.Row{{UID: "1", Namespace: "shop", Cells: []string{"web-1", "1/1", "CrashLoopBackOff", "0", "5s", "10.0.0.1"}}}
	goes := regexp.MustCompile(`width<(\d+)ch\)\{([a-z-]* ?)\.list :is\(col,th,td\):nth-child\((\d+)\)\{display:none\}`)

	// Below how many letters each column goes: the boxes are the first one.
	css := newShape(&s, pods, 4, sample).narrow()
	letters := map[string]int{}
	for _, m := range goes.FindAllStringSubmatch(css, -1) {
		letters[m[3]], _ = strconv.Atoi(m[1])
	}
	namespace, ready, restarts := letters["2"], letters["4"], letters["6"]
	if len(letters) != 3 || namespace <= 0 || ready <= namespace || restarts <= ready {
		t.Errorf("Namespace goes below %d letters, Ready below %d, Restarts below %d: %s", namespace, ready, restarts, css)
	}
	if all := newShape(&s, pods, 4, sample).letters(); restarts != all {
		t.Errorf("the first column goes below %d letters, all have %d", restarts, all)
	}
	s.cols = []string{"Name", "IP", "Age"}
	if css := newShape(&s, pods, 4, sample).narrow(); !strings.Contains(css, "{.panel-open .list :is(") || strings.Contains(css, "{.list") {
		t.Errorf("chosen columns go where no panel is open: %s", css)
	}
	s.cols, s.wide = nil, true
	if css := newShape(&s, pods, 4, sample).narrow(); css != "" {
		t.Errorf("more columns were asked for, and go: %s", css)
	}
	s.wide = false
	events := []rows.Column{{Name: "Last Seen"}, {Name: "Type"}, {Name: "Reason"}, {Name: "Object"}, {Name: "Message"}}
	one := []*rows.Row{{UID: "1", Namespace: "shop", Cells: []string{"5s", "Warning", "BackOff", "pod/web-1", strings.Repeat("m", 200)}}}
	if css := newShape(&s, events, -1, one).narrow(); !strings.Contains(css, "col:nth-child(7){width:auto}") || strings.Contains(css, "nth-child(7){display") {
		t.Errorf("the message of an event does not give way: %s", css)
	}
}

// letters are how many all columns take together.
func (sh *shape) letters() (n int) {
	for _, c := range sh.list {
		n += c.ch
	}
	return n
}
