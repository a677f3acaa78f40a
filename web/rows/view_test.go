package rows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"pilothouse/backend/client"
	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// api is an API with one resource, whose watch can be cut off.
type api struct {
	mu      sync.Mutex
	objects map[string]string // name -> value
	version int
	events  [][]byte
	changed chan struct{}
	cut     chan struct{}
	refuse  error
	expired bool
	column  string // of the values
}

func newAPI() *api {
	return &api{column: "Value", objects: map[string]string{}, changed: make(chan struct{}), cut: make(chan struct{})}
}

func tableOf(version int, rows, column string) string {
	definitions := "null"
	if column != "" {
		definitions = `[{"name":"Name","type":"string"},{"name":"` + column + `","type":"string"},{"name":"Age","type":"string"}]`
	}
	return fmt.Sprintf(`{"kind":"Table","metadata":{"resourceVersion":"%d"},"columnDefinitions":%s,"rows":[%s]}`, version, definitions, rows)
}

func rowOf(name, value string, version int) string {
	return fmt.Sprintf(`{"cells":["%s","%s","5s"],"object":{"metadata":{"uid":"u-%s","namespace":"%s","name":"%s","resourceVersion":"%d"}}}`, name, value, name, namespaceOf(name), name, version)
}

// namespaceOf is the namespace of an object: that of p119 is p1.
func namespaceOf(name string) string { return name[:min(2, len(name))] }

func (a *api) set(name, value string) { a.change("MODIFIED", name, value) }

func (a *api) remove(name string) { a.change("DELETED", name, "") }

func (a *api) change(kind, name, value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	if kind == "DELETED" {
		delete(a.objects, name)
	} else {
		a.objects[name] = value
	}
	a.events = append(a.events, []byte(fmt.Sprintf(`{"type":"%s","object":%s}`+"\n", kind, tableOf(a.version, rowOf(name, value, a.version), ""))))
	close(a.changed)
	a.changed = make(chan struct{})
}

// disconnect ends the watches; those that come later are told that their
// version is gone when lost is set.
func (a *api) disconnect(lost bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expired = lost
	close(a.cut)
	a.cut = make(chan struct{})
}

func (a *api) serve(_ context.Context, r *request.Request) (*request.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse != nil {
		return nil, a.refuse
	}
	if r.Query().Get("watch") != "" {
		if a.expired {
			a.expired = false
			return nil, apierrors.NewResourceExpired("too old")
		}
		from := 0
		if _, err := fmt.Sscan(r.Query().Get("resourceVersion"), &from); err != nil {
			return nil, err
		}
		return &request.Response{Chunked: func(ctx context.Context, w request.ChunkWriter) error { return a.stream(ctx, w, from) }}, nil
	}
	var rows []string
	for name, value := range a.objects {
		rows = append(rows, rowOf(name, value, a.version))
	}
	return &request.Response{Body: []byte(tableOf(a.version, strings.Join(rows, ","), a.column))}, nil
}

func (a *api) stream(ctx context.Context, w request.ChunkWriter, from int) error {
	a.mu.Lock()
	cut := a.cut
	a.mu.Unlock()
	for {
		a.mu.Lock()
		events, changed := a.events[from:], a.changed
		a.mu.Unlock()
		for _, e := range events {
			from++
			if _, err := w.Write(e); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-cut:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func open(t *testing.T, a *api, q Query) (*Pool, *View) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := NewPool(ctx)
	t.Cleanup(func() { cancel(); p.Wait() })
	v, err := p.Open(ctx, client.New(a.serve, &request.User{Name: "ann"}, "test"), Key{GVR: pods}, q)
	if err != nil {
		t.Fatal(err)
	}
	return p, v
}

// tab is what a browser makes of frames.
type tab struct {
	window      *Window
	woken       chan struct{}
	from, total int
	order       []string
	cells       map[string]string
}

func newTab(v *View, from, size int) *tab {
	b := &tab{woken: make(chan struct{}, 1), cells: map[string]string{}}
	b.window = v.Window(from, size, func() {
		select {
		case b.woken <- struct{}{}:
		default:
		}
	})
	return b
}

func (b *tab) take(t *testing.T) {
	f, _ := b.window.Frame()
	if f.Whole {
		b.order, b.cells = nil, map[string]string{}
	}
	b.from, b.total = f.From, f.Total
	for _, r := range f.Rows {
		b.cells[r.UID] = r.Cells[1]
	}
	if f.Order != nil {
		b.order = f.Order
	}
	for _, uid := range b.order {
		if _, ok := b.cells[uid]; !ok {
			t.Fatalf("the tab was never sent row %s", uid)
		}
	}
}

func (b *tab) text() string {
	var out []string
	for _, uid := range b.order {
		out = append(out, uid[2:]+"="+b.cells[uid])
	}
	return strings.Join(out, " ")
}

// await waits until the tab shows what want gives.
func (b *tab) await(t *testing.T, want func() string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		b.take(t)
		if b.text() == want() {
			return
		}
		select {
		case <-b.woken:
		case <-deadline:
			t.Fatalf("got  %s\nwant %s", b.text(), want())
		}
	}
}

func (a *api) sorted(by func(name, value string) string, desc bool, from, size int) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for name := range a.objects {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		x, y := by(names[i], a.objects[names[i]]), by(names[j], a.objects[names[j]])
		if x != y {
			return (x < y) != desc
		}
		return names[i] < names[j]
	})
	var out []string
	for _, n := range names[min(from, len(names)):min(from+size, len(names))] {
		out = append(out, n+"="+a.objects[n])
	}
	return strings.Join(out, " ")
}

// Whatever happens, in whatever batches, a tab ends up with what a fresh list
// would show, also over watches that break and versions that are gone.
func TestTabsConverge(t *testing.T) {
	for _, q := range []Query{{}, {Sort: "value"}, {Sort: "value", Desc: true}, {Sort: "name", Desc: true}, {Sort: "namespace"}, {Sort: "namespace", Desc: true}} {
		t.Run(q.String(), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			a := newAPI()
			for i := range 60 {
				a.set(fmt.Sprintf("p%03d", i), fmt.Sprint(random.IntN(20)))
			}
			_, v := open(t, a, q)
			defer v.Close()
			by := func(name, value string) string {
				switch q.Sort {
				case "value":
					return sortKey(value)
				case "name":
					return sortKey(name)
				case "namespace":
					return namespaceOf(name)
				}
				return ""
			}
			from := 0
			b := newTab(v, from, 20)
			defer b.window.Close()
			for range 60 {
				for range random.IntN(30) {
					name := fmt.Sprintf("p%03d", random.IntN(120))
					if random.IntN(3) == 0 {
						a.remove(name)
					} else {
						a.set(name, fmt.Sprint(random.IntN(20)))
					}
				}
				switch random.IntN(8) {
				case 0:
					a.disconnect(false)
				case 1:
					a.disconnect(true)
				case 2:
					from = random.IntN(30)
					b.window.Move(from, 20, "")
				}
				if random.IntN(2) == 0 {
					b.take(t)
				}
			}
			b.window.Move(from, 20, "")
			b.await(t, func() string { return a.sorted(by, q.Desc, b.from, 20) })
		})
	}
}

func TestTheWindowStaysAtItsAnchor(t *testing.T) {
	a := newAPI()
	for i := range 100 {
		a.set(fmt.Sprintf("p%03d", i), "x")
	}
	_, v := open(t, a, Query{})
	defer v.Close()
	b := newTab(v, 50, 10)
	defer b.window.Close()
	b.take(t)
	b.window.Move(50, 10, "u-p053")
	for i := range 30 {
		a.set(fmt.Sprintf("a%03d", i), "x")
	}
	plain := func(string, string) string { return "" }
	for b.total < 130 {
		<-b.woken
		b.take(t)
	}
	b.await(t, func() string { return a.sorted(plain, false, 80, 10) })
	if b.from != 80 || b.order[3] != "u-p053" {
		t.Errorf("from %d, %v", b.from, b.order)
	}
	// The tab scrolls on with the same anchor: it gets what it asks for.
	b.window.Move(85, 10, "u-p053")
	b.await(t, func() string { return a.sorted(plain, false, 85, 10) })
	b.window.Move(80, 10, "u-p058")
	b.await(t, func() string { return a.sorted(plain, false, 80, 10) })
	b.window.Move(80, 10, "u-p053")
	a.remove("p053") // its neighbour stands in for it
	a.remove("a000")
	b.await(t, func() string { return a.sorted(plain, false, 79, 10) })
}

func TestATabThatHasRowsGetsTheDifference(t *testing.T) {
	a := newAPI()
	for i := range 10 {
		a.set(fmt.Sprintf("p%d", i), "old")
	}
	_, v := open(t, a, Query{})
	defer v.Close()
	rows, _, _ := v.Slice(0, 10)
	var have []string
	for _, r := range rows {
		have = append(have, r.UID+" "+r.Version)
	}
	have[3] = "u-p3 1" // an old version
	have = append(have, "u-gone 7")
	w := v.Window(0, 20, func() {})
	defer w.Close()
	w.Has(have)
	f, changed := w.Frame()
	if !changed || f.Whole || len(f.Rows) != 1 || f.Rows[0].UID != "u-p3" || !slices.Equal(f.Gone, []string{"u-gone"}) {
		t.Errorf("%+v", f)
	}
	if _, changed := w.Frame(); changed {
		t.Error("the same was sent twice")
	}
}

// A tab that holds its order while somebody points at a row shows what has
// changed of rows that are elsewhere now.
func TestRowsThatLeaveTheWindowAreSentAsTheyAreNow(t *testing.T) {
	a := newAPI()
	for i := range 10 {
		a.set(fmt.Sprintf("p%d", i), "1")
	}
	_, v := open(t, a, Query{Sort: "value", Desc: true})
	defer v.Close()
	woken := make(chan struct{}, 1)
	w := v.Window(0, 5, func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	defer w.Close()
	w.Frame()
	w.Move(0, 5, "u-p2")
	w.Frame()
	a.set("p4", "7")
	for end := time.After(30 * time.Second); ; {
		f, _ := w.Frame()
		if i := slices.IndexFunc(f.Rows, func(r *Row) bool { return r.UID == "u-p4" }); i >= 0 {
			if f.From != 1 || slices.Contains(f.Order, "u-p4") || f.Rows[i].Cells[1] != "7" {
				t.Errorf("%+v has %v", f, f.Rows[i].Cells)
			}
			return
		}
		select {
		case <-woken:
		case <-end:
			t.Fatal("it is not sent")
		}
	}
}

func TestTabsOfAUserShareASource(t *testing.T) {
	a := newAPI()
	a.set("p", "x")
	p, v := open(t, a, Query{})
	again, err := p.Open(t.Context(), client.New(a.serve, &request.User{Name: "ann"}, "test"), Key{GVR: pods}, Query{})
	if err != nil || again != v {
		t.Errorf("got %p, %v, want %p", again, err, v)
	}
	bob := client.New(a.serve, &request.User{Name: "bob"}, "test")
	other, err := p.Open(t.Context(), bob, Key{GVR: pods}, Query{})
	if err != nil || other.source == v.source {
		t.Error("two users share a source")
	}
	p.linger = 0
	again.Close()
	other.Close()
	v.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		p.mu.Lock()
		n := len(p.sources)
		p.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sources are left", n)
		}
		time.Sleep(time.Millisecond)
	}
}

// A View that is opened and closed by many at once, as by a search over many types,
// is nobody's in particular (told by the race detector).
func TestAViewIsOpenedByManyAtOnce(t *testing.T) {
	a := newAPI()
	a.set("p", "x")
	p, v := open(t, a, Query{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			same, err := p.Open(t.Context(), client.New(a.serve, &request.User{Name: "ann"}, "test"), Key{GVR: pods}, Query{})
			if err != nil {
				t.Error(err)
				return
			}
			if same != v {
				t.Error("a View of its own")
			}
			same.Close()
		})
	}
	all.Wait()
}

func TestARefusalIsTold(t *testing.T) {
	a := newAPI()
	a.refuse = apierrors.NewForbidden(pods.GroupResource(), "", errors.New("no"))
	ctx, cancel := context.WithCancel(t.Context())
	p := NewPool(ctx)
	defer func() { cancel(); p.Wait() }()
	if _, err := p.Open(ctx, client.New(a.serve, &request.User{Name: "ann"}, ""), Key{GVR: pods}, Query{}); !apierrors.IsForbidden(err) {
		t.Errorf("got %v", err)
	}
}

// What may not be seen any more is not shown any longer.
func TestRowsGoWithTheRight(t *testing.T) {
	a := newAPI()
	a.set("p", "x")
	_, v := open(t, a, Query{})
	defer v.Close()
	b := newTab(v, 0, 10)
	defer b.window.Close()
	b.take(t)
	a.mu.Lock()
	a.refuse = apierrors.NewForbidden(pods.GroupResource(), "", errors.New("no"))
	a.mu.Unlock()
	a.disconnect(false)
	b.await(t, func() string { return "" })
	if err := v.State().Err; !apierrors.IsForbidden(err) {
		t.Errorf("state %v", err)
	}
}

func TestAColumnThatIsNotThere(t *testing.T) {
	a := newAPI()
	p, v := open(t, a, Query{})
	defer v.Close()
	if _, err := p.Open(t.Context(), client.New(a.serve, &request.User{Name: "ann"}, "test"), Key{GVR: pods}, Query{Sort: "nothing"}); err == nil {
		t.Error("no error")
	}
}

func TestCellsReadAsKubectlPrintsThem(t *testing.T) {
	for raw, want := range map[string]string{`"a"`: "a", `3`: "3", `3.0`: "3", `1.5`: "1.5", `true`: "true", `null`: "<none>", `[1]`: "[1]"} {
		if got := cellText([]byte(raw)); got != want {
			t.Errorf("%s: got %q, want %q", raw, got, want)
		}
	}
}

func BenchmarkDecodeTable(b *testing.B) {
	var rows []string
	for i := range 2000 {
		rows = append(rows, rowOf(fmt.Sprintf("pod-%d", i), "Running", i))
	}
	raw := []byte(tableOf(1, strings.Join(rows, ","), "Value"))
	var check map[string]any
	if err := json.Unmarshal(raw, &check); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		t, err := decode(raw)
		if err != nil {
			b.Fatal(err)
		}
		for i := range t.Rows {
			t.Rows[i].row(nil)
		}
	}
}
