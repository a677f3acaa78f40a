package rows

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What the API says in passing times was right when it said it: a list that stays
// open goes on from there, and orders by the moments.
func TestTimesRunOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI()
		a.column = "Last Seen"
		a.set("p1", "5s")
		a.set("p3", "<unknown>")
		began := time.Now()
		_, v := open(t, a, Query{Sort: "last seen"})
		defer v.Close()
		time.Sleep(10 * time.Minute)
		a.set("p2", "3m")
		synctest.Wait()
		list, _, _ := v.Slice(0, 10)
		var names []string
		for _, r := range list {
			names = append(names, r.Name)
		}
		if want := []string{"p2", "p1", "p3"}; !slices.Equal(names, want) {
			t.Fatalf("got %v, want %v", names, want)
		}
		if k := list[0].Clock(1); k == nil || !k.Since.Equal(time.Now().Add(-3*time.Minute)) {
			t.Errorf("what came: %+v", k)
		}
		if k := list[1].Clock(1); k == nil || !k.Since.Equal(began.Add(-5*time.Second)) {
			t.Errorf("what was there: %+v", k)
		}
		if k := list[2].Clock(1); k != nil {
			t.Errorf("a time of what has none: %+v", k)
		}
	})
}

// An object that changes tells its times anew, a little later: they stay the same.
func TestTimesThatAreToldAgainStay(t *testing.T) {
	began := time.Now()
	one := func(text string, later time.Duration) *Row {
		r := &Row{Cells: []string{"name", text}}
		r.wind(nil, began.Add(later))
		return r
	}
	was := one("4 (5s ago)", 0)
	for _, c := range []struct {
		text  string
		later time.Duration
		same  bool
	}{
		{"4 (25s ago)", 20*time.Second + 900*time.Millisecond, true},
		{"4 (24s ago)", 20*time.Second - 900*time.Millisecond, true},
		{"5 (2s ago)", time.Second, false},
		{"4 (12m ago)", 12*time.Minute + 50*time.Second, true},
		{"5 (12m ago)", 14 * time.Minute, false},
		{"4 (3h ago)", 3*time.Hour + 59*time.Minute, true},
	} {
		r := one(c.text, c.later)
		r.keep(was)
		if got := r.Clocks[0].Since.Equal(was.Clocks[0].Since); got != c.same {
			t.Errorf("%s after %s: the same moment is %t", c.text, c.later, got)
		}
	}
	fresh := one("4", 0)
	fresh.keep(was)
	r := one("4 (5s ago)", 0)
	r.keep(fresh)
	if len(fresh.Clocks) > 0 || len(r.Clocks) != 1 {
		t.Error("a number without a time")
	}
}

func TestWhichPartsRunOn(t *testing.T) {
	jobs := schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	for _, c := range []struct {
		gvr    schema.GroupVersionResource
		column Column
		status string
		cell   string
		part   string
	}{
		{pods, Column{Name: "Restarts"}, "", "28 (5h2m ago)", "5h2m"},
		{pods, Column{Name: "Restarts"}, "", "28", ""},
		{pods, Column{Name: "Message"}, "", "failed (5m ago)", ""},
		{pods, Column{Name: "Message"}, "", "3 (a while ago)", ""},
		{pods, Column{Name: "Message"}, "", " ago)", ""},
		{pods, Column{Name: "Value"}, "", "5m", ""},
		{pods, Column{Name: "Expires", Type: "date"}, "", "5m", "5m"},
		{pods, Column{Name: "Expires", Type: "date"}, "", "", ""},
		{pods, Column{Name: "Expires", Type: "date"}, "", "<invalid>", ""},
		{jobs, Column{Name: "Duration"}, "Running", "42s", "42s"},
		{jobs, Column{Name: "Duration"}, "Complete", "42s", ""},
		{pods, Column{Name: "Duration"}, "Running", "42s", ""},
	} {
		now := time.Now()
		r := &Row{Cells: []string{"name", c.status, c.cell}}
		r.wind(hands(c.gvr, []Column{{Name: "Name"}, {Name: "Status"}, c.column}), now)
		got := ""
		if k := r.Clock(2); k != nil {
			got = c.cell[k.From:k.To]
			if d, _ := duration(got); !k.Since.Equal(now.Add(-d)) {
				t.Errorf("%s %q: %+v", c.column.Name, c.cell, k)
			}
		}
		if got != c.part {
			t.Errorf("%s %q of what is %q: %q runs on, want %q", c.column.Name, c.cell, c.status, got, c.part)
		}
	}
}
