package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

const mostBytes = 512 << 10

func TestCompressedFormsAreTheFiles(t *testing.T) {
	total := 0
	for name, f := range Files {
		total += len(f.Brotli)
		if f.Plain() == nil || f.Gzip() == nil || f.Brotli == nil || f.Type == "" {
			t.Errorf("%s lacks a form or a type", name)
			continue
		}
		z, err := gzip.NewReader(bytes.NewReader(f.Gzip()))
		if err != nil {
			t.Fatal(err)
		}
		for form, r := range map[string]io.Reader{"gzip": z, "brotli": brotli.NewReader(bytes.NewReader(f.Brotli))} {
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, f.Plain()) {
				t.Errorf("%s of %s is another file: %v", form, name, err)
			}
		}
	}
	if total > mostBytes {
		t.Errorf("the files are %d bytes", total)
	}
}

func TestNamesLeadToFiles(t *testing.T) {
	for _, name := range []string{"app.js", "app.css", "icon.svg"} {
		if Files[Names[name]] == nil {
			t.Errorf("%s is %q, which is no file", name, Names[name])
		}
	}
}

// Scripts that make code of text would need a weaker policy.
func TestScriptsMakeNoCodeOfText(t *testing.T) {
	for name, f := range Files {
		if strings.HasSuffix(name, ".js") && (bytes.Contains(f.Plain(), []byte("new Function(")) || bytes.Contains(f.Plain(), []byte("eval("))) {
			t.Errorf("%s evaluates text", name)
		}
	}
}
