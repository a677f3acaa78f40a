package endpoints

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pilothouse/backend/request"
)

// discard is where benchmarks write.
type discard struct{}

func (discard) Write(p []byte) (int, error)       { return len(p), nil }
func (discard) WriteString(s string) (int, error) { return len(s), nil }
func (discard) Flush() error                      { return nil }

var _ io.Writer = discard{}

const podBody = `{"metadata":{"name":"%s","namespace":"default","labels":{"app":"web","pod-template-hash":"5d5c8d9f5"},"annotations":{"kubernetes.io/config.source":"api"}},
	"spec":{"nodeName":"node-1","containers":[{"name":"main","image":"registry.example.com/team/app:v1.2.3","env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],
	"ports":[{"containerPort":8080,"name":"http"}],"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"cpu":"1","memory":"256Mi"}},
	"readinessProbe":{"httpGet":{"path":"/ready","port":8080}}}]}}`

const pods = "/api/v1/namespaces/default/pods"

func (a *api) pods(n int) {
	a.Helper()
	for i := range n {
		a.do("POST", pods, fmt.Sprintf(podBody, fmt.Sprintf("pod-%05d", i)), nil).has(201)
	}
}

func (a *api) mustServe(b *testing.B, r *request.Request, ctx context.Context) *request.Response {
	p, err := a.Serve(ctx, r)
	if err != nil {
		b.Fatal(err)
	}
	if p.Stream != nil {
		if err := p.Stream.WriteTo(discard{}); err != nil {
			b.Fatal(err)
		}
	}
	return p
}

func (a *api) bench(b *testing.B, r *request.Request) {
	ctx := request.With(a.ctx, r)
	p := a.mustServe(b, r, ctx)
	if p.Stream != nil {
		b.SetBytes(p.Stream.Len())
	}
	b.ReportAllocs()
	for b.Loop() {
		a.mustServe(b, r, ctx)
	}
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ratios runs benchmarks one after the other and reports what each takes of the
// processor, which other processes don't disturb, and how often the first one
// would have gone into that.
type ratios struct {
	of   string
	base float64
}

func (r *ratios) run(b *testing.B, name string, f func(b *testing.B)) {
	b.Run(name, func(b *testing.B) {
		before := processorTime()
		f(b)
		each := float64(processorTime()-before) / float64(b.N)
		if r.base == 0 {
			r.base = each
		}
		b.ReportMetric(each/1000, "cpu-us/op")
		b.ReportMetric(each/r.base, r.of)
	})
}

func BenchmarkGet(b *testing.B) {
	a := newAPI(b)
	a.pods(1)
	a.bench(b, a.request("GET", pods+"/pod-00000", "", nil))
}

// BenchmarkList10k is a list of 10,000 in each form, without a network: JSON is then
// nothing but pointers to bytes. What the network adds is in docs/performance.md.
func BenchmarkList10k(b *testing.B) {
	a := newAPI(b)
	a.pods(10_000)
	r := ratios{of: "x-JSON"}
	for _, form := range []struct{ name, accept string }{
		{"json", ""}, {"table", tableForm1}, {"metadata", partials}, {"protobuf", protobufType},
	} {
		list := a.request("GET", "/api/v1/pods", "", header{"Accept": form.accept})
		r.run(b, form.name, func(b *testing.B) { a.bench(b, list) })
	}
}

// BenchmarkPatch is every kind of patch, next to a GET: each changes a label,
// and "nothing" a label to what it is.
func BenchmarkPatch(b *testing.B) {
	ratio := ratios{of: "x-GET"}
	ratio.run(b, "get", BenchmarkGet)
	for _, p := range []struct{ name, mime, body string }{
		{"json", jsonPatch, `[{"op":"replace","path":"/metadata/labels/app","value":"%d"}]`},
		{"merge", mergePatch, `{"metadata":{"labels":{"app":"%d"}}}`},
		{"strategic", strategicPatch, `{"metadata":{"labels":{"app":"%d"}}}`},
		{"apply", applyPatch, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"pod-00000","labels":{"app":"%d"}}}`},
		{"merge-nothing", mergePatch, `{"metadata":{"labels":{"app":"web"}}}`},
		{"apply-nothing", applyPatch, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"pod-00000","labels":{"app":"web"}}}`},
	} {
		ratio.run(b, p.name, func(b *testing.B) {
			a := newAPI(b)
			a.pods(1)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				query := "?fieldManager=bench&fieldValidation=Ignore"
				if p.mime == applyPatch {
					query += "&force=true"
				}
				r := a.request("PATCH", pods+"/pod-00000"+query, strings.Replace(p.body, "%d", strconv.Itoa(i), 1), patchHeader(p.mime))
				a.mustServe(b, r, request.With(a.ctx, r))
			}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	a := newAPI(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		r := a.request("POST", pods, fmt.Sprintf(podBody, fmt.Sprint("pod-", i)), nil)
		a.mustServe(b, r, request.With(a.ctx, r))
	}
}

// BenchmarkWatchFanout is one event to 500 watchers; the figure is per watcher.
func BenchmarkWatchFanout(b *testing.B) {
	const watchers = 500
	a := newAPI(b)
	a.pods(1)
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	got := make(chan struct{}, watchers)
	for range watchers {
		r := a.request("GET", pods+"?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", "", nil)
		p, err := a.Serve(request.With(ctx, r), r)
		if err != nil {
			b.Fatal(err)
		}
		go p.Chunked(request.With(ctx, r), flushSignal{got}) //nolint:errcheck // ends with the benchmark
	}
	body := strings.Replace(podBody, `"app":"web"`, `"app":"%d"`, 1)
	body = strings.Replace(body, "%s", "pod-00000", 1)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		a.do("PUT", pods+"/pod-00000", fmt.Sprintf(body, i), nil).has(200)
		for range watchers {
			<-got
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/watchers, "ns/delivery")
}

type flushSignal struct{ got chan struct{} }

func (f flushSignal) Write(p []byte) (int, error) { return len(p), nil }
func (f flushSignal) Flush() error                { f.got <- struct{}{}; return nil }
