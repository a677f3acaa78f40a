package stories

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

const (
	// many is how many elements a list has that is filled.
	many = 2
	// deepest bounds what holds itself.
	deepest = 7
)

// full gives a value in which everything is there: each text by what its field
// is called, each list with elements, each flag set. It is the same every time.
func full[T any]() T {
	var v T
	(&filler{}).fill(reflect.ValueOf(&v).Elem(), "", 0)
	return v
}

// empty gives a value of which only that is there without which nothing is shown
// at all: what a thing is called.
func empty[T any]() T {
	var v T
	s := reflect.ValueOf(&v).Elem()
	if s.Kind() != reflect.Struct {
		return v
	}
	f := &filler{}
	for i := range s.NumField() {
		if t := s.Type().Field(i); t.IsExported() && t.Type.Kind() == reflect.String && slices.Contains(names, t.Name) {
			f.fill(s.Field(i), t.Name, 1)
		}
	}
	return v
}

// names are the fields that call a thing something.
var names = []string{"Title", "Name", "Kind", "Resource", "User", "Path", "Method", "Verb"}

type filler struct {
	n int
	// titles are those that there are: each is another one.
	titles map[string]bool
}

func (f *filler) fill(v reflect.Value, name string, depth int) {
	if depth > deepest {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text(name))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		f.n++
		v.SetInt(int64(40 + f.n%60))
	case reflect.Float64:
		v.SetFloat(0.42)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), name, depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), many, many))
		for i := range many {
			f.fill(v.Index(i), name, depth+1)
		}
	case reflect.Struct:
		if at, ok := v.Addr().Interface().(*time.Time); ok {
			*at = time.Date(2026, 11, 26, 3, 4, 5, 0, time.UTC)
			return
		}
		for i := range v.NumField() {
			if t := v.Type().Field(i); t.IsExported() {
				f.fill(v.Field(i), t.Name, depth+1)
			}
		}
	}
}

// samples are texts for fields by the ends of their names that have to be of a
// certain form; for the others see words.go.
var samples = []struct{ end, text string }{
	{"href", "/ui/api/v1/namespaces/shop/pods/web-7d9f"}, {"url", "/ui/api/v1/pods"}, {"path", "/ui/api/v1/pods"}, {"back", "/ui/"}, {"more", "/ui/"}, {"prev", "/ui/"}, {"download", "/ui/?download=1"},
	{"time", "2026-11-26T03:04:05Z"}, {"at", "2026-11-26T03:04:05Z"}, {"since", "2026-11-26T03:04:05Z"}, {"deleting", "2026-11-26T03:04:05Z"}, {"seen", "2026-11-26T03:04:05Z"},
	{"tone", "warn"}, {"theme", ""}, {"class", "yk"}, {"sign", "+"}, {"method", "POST"}, {"level", "beta"}, {"sort", "ascending"}, {"lines", "0,10 20,4 40,8"}, {"plot", "[]"}, {"version", "8412"},
	{"command", "kubectl get pods -n shop -l app=web"}, {"curl", `curl -H "Authorization: Bearer $TOKEN" https://127.0.0.1:6443/api/v1/pods`},
}

func (f *filler) text(name string) string {
	f.n++
	lower := strings.ToLower(name)
	for _, s := range samples {
		if strings.HasSuffix(lower, s.end) {
			return s.text
		}
	}
	if !strings.HasSuffix(lower, "title") {
		return called(lower, f.n)
	}
	n := f.n
	for f.titles[called(lower, n)] && n < f.n+len(titles) {
		n++
	}
	if f.titles == nil {
		f.titles = map[string]bool{}
	}
	f.titles[called(lower, n)] = true
	return called(lower, n)
}
