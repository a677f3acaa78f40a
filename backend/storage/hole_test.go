package storage

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFindHole(t *testing.T) {
	found := func(before, digits, after string) {
		t.Helper()
		text := before + digits + after
		hole, ok := FindHole([]byte(text))
		if want := (Hole{len(before), len(digits)}); !ok || hole != want {
			t.Errorf("%s: got %v %t, want %v", text, hole, ok, want)
		}
	}
	found(`{"metadata":{"resourceVersion":"`, `123`, `"}}`)
	found(`{"metadata":{"resourceVersion":"`, ``, `"}}`)
	found(`{"kind":"Pod","spec":{"metadata":{"resourceVersion":"7"}},"metadata":{"resourceVersion":"`, `123`, `"}}`)
	found(`{"metadata":{"labels":{"resourceVersion":"9"},"annotations":{"a":"\"resourceVersion\":\"8\""},"resourceVersion":"`, `1`, `"}}`)
	found(`{"data":{"a":"}\\\"]"},"list":[1,{"x":[true,null]},"]"],"n":-1.5e3,"metadata":{"resourceVersion":"`, `42`, `"}}`)
	found("{ \"metadata\" :\t{\r\n \"resourceVersion\" : \"", `5`, `" } }`)
	found(`{"metadata":{"resourceVersion":"`, `5`, `"`)
	found(`{"":"","metadata":{"é":"é","resourceVersion":"`, `5`, `"}}`)

	none := func(text string) {
		t.Helper()
		if hole, ok := FindHole([]byte(text)); ok {
			t.Errorf("%s: got %v, want none", text, hole)
		}
	}
	none(``)
	none(`{}`)
	none(`null`)
	none(`[{"metadata":{"resourceVersion":"1"}}]`)
	none(`{"metadata":{}}`)
	none(`{"metadata":null}`)
	none(`{"metadata":"resourceVersion"}`)
	none(`{"metadata":{"name":"x"},"resourceVersion":"1"}`)
	none(`{"metadata":{"resourceVersion":1}}`)
	none(`{"metadata":{"resourceVersion":"1x"}}`)
	none(`{"metadata":{"resourceVersion":"1`)
	none(`{"metadata":{"resourceVersion":"1\`)
	none(`{"metadata":{"resourceVersion"`)
	none(`{"x":{"metadata":{"resourceVersion":"1"}}}`)
	none(`{"x":`)
	none(`{"x":]`)
}

// FuzzFindHole holds FindHole to encoding/json: where it finds a hole in valid
// JSON, other digits there change that field and nothing else.
func FuzzFindHole(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"resourceVersion":"123"}}`,
		`{"a":"\\","metadata":{"x":["]",{}],"resourceVersion":""},"b":1}`,
		`{"metadata":{"resourceVersion":"1"},"metadata":{"resourceVersion":"2"}}`,
		`{"metadata":[{"resourceVersion":"1"}]}`,
		`{"metadata":{"resourceVersion":"1\"}}`,
		`{"x":}{"metadata":{"resourceVersion":"1"}}`,
	} {
		f.Add([]byte(seed))
	}
	type object struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		hole, ok := FindHole(text)
		if !ok {
			return
		}
		if hole.Offset < 1 || hole.Len < 0 || hole.Offset+hole.Len >= len(text) {
			t.Fatalf("%v is outside %d bytes", hole, len(text))
		}
		if text[hole.Offset-1] != '"' || text[hole.Offset+hole.Len] != '"' {
			t.Fatalf("%v of %s is no string", hole, text)
		}
		if !json.Valid(text) || strings.Count(strings.ToLower(string(text)), "metadata") > 1 ||
			strings.Count(strings.ToLower(string(text)), "resourceversion") > 1 || strings.Contains(string(text), `\u`) ||
			strings.ContainsRune(string(text), 'ſ') {
			return // encoding/json folds case, merges duplicates and unescapes
		}
		filled, _ := hole.Splice(text, 987654321)
		var got object
		if err := json.Unmarshal(filled, &got); err != nil || got.Metadata.ResourceVersion != "987654321" {
			t.Fatalf("%s became %s: %v", text, filled, err)
		}
	})
}

func TestFill(t *testing.T) {
	text := `{"metadata":{"resourceVersion":"00"},"a":1}`
	hole, _ := FindHole([]byte(text))
	filled := func(revision int64, want string, inPlace bool) {
		t.Helper()
		value := []byte(text)
		got, at := hole.Fill(value, revision)
		if string(got) != want {
			t.Errorf("%d: got %s, want %s", revision, got, want)
		}
		if found, ok := FindHole(got); !ok || found != at {
			t.Errorf("%d: the hole is %v, want %v", revision, at, found)
		}
		if same := &got[0] == &value[0]; same != inPlace {
			t.Errorf("%d: in place %t, want %t", revision, same, inPlace)
		}
		if !inPlace && string(value) != text {
			t.Errorf("%d: the bytes became %s", revision, value)
		}
	}
	filled(7, `{"metadata":{"resourceVersion":"7"},"a":1}`, false)
	filled(42, `{"metadata":{"resourceVersion":"42"},"a":1}`, true)
	filled(123, `{"metadata":{"resourceVersion":"123"},"a":1}`, false)
	filled(1<<62, `{"metadata":{"resourceVersion":"4611686018427387904"},"a":1}`, false)
	if n := testing.AllocsPerRun(10, func() { hole.Fill([]byte(text)[:len(text)], 42) }); n > 1 {
		t.Errorf("filling in place allocates %v times", n)
	}
}

func TestDigits(t *testing.T) {
	for revision, want := range map[int64]int{0: 1, 1: 1, 9: 1, 10: 2, 99: 2, 100: 3, 1<<63 - 1: 19} {
		if got := Digits(revision); got != want {
			t.Errorf("Digits(%d) is %d, want %d", revision, got, want)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{"a/": "a0", "a\xff": "b", "\xff": "", "": ""} {
		if got := PrefixEnd(prefix); got != want {
			t.Errorf("PrefixEnd(%q) is %q, want %q", prefix, got, want)
		}
	}
}

func BenchmarkFindHole(b *testing.B) {
	text := []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"b","uid":"c","resourceVersion":"1234567"},"spec":{}}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, ok := FindHole(text); !ok {
			b.Fatal("not found")
		}
	}
}
