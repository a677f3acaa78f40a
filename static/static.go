// Package static owns the files that browsers load: scripts and styles, bundled
// by build.mjs from src and npm packages into dist under names that carry their
// hash, compressed there once with brotli, which every browser reads. dist is checked in, so that a build needs no
// network; the tests tell when it is not what src gives.
package static

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"mime"
	"path"
	"strings"
	"sync"

	brotli "github.com/molecule-man/go-brrr"
)

//go:generate make -C .. static

// dist has the compressed form alone: it is a quarter of the plain one.
//
//go:embed dist/*.br dist/manifest.json
var dist embed.FS

// File is one file in the forms that it can be sent in.
type File struct {
	Type   string
	Brotli []byte
	plain  func() []byte
	zipped func() []byte
}

// Plain gives the file as it is, for clients that take no compressed form. It and
// Gzip are made at their first call.
func (f *File) Plain() []byte { return f.plain() }

// Gzip gives the file for clients that do not take brotli.
func (f *File) Gzip() []byte { return f.zipped() }

// Files are all files by the names that addresses have.
var Files = load()

// Names gives the name with a hash of each entry: "app.js", "app.css". Needs gives
// the files that a script loads first of all, which a page that has it may ask
// for at once: "app.js", "editor.js".
var Names, Needs = manifest()

func load() map[string]*File {
	files := map[string]*File{}
	entries, err := fs.ReadDir(dist, "dist")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	for _, e := range entries {
		name, compressed := strings.CutSuffix(e.Name(), ".br")
		if !compressed {
			continue
		}
		raw, err := dist.ReadFile("dist/" + e.Name())
		if err != nil {
			panic("BUG: " + err.Error())
		}
		f := &File{Type: contentType(name), Brotli: raw}
		f.plain = sync.OnceValue(f.inflate)
		f.zipped = sync.OnceValue(func() []byte {
			return zip(f.plain())
		})
		files[name] = f
	}
	return files
}

func (f *File) inflate() []byte {
	plain, err := io.ReadAll(brotli.NewReader(bytes.NewReader(f.Brotli)))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return plain
}

func zip(plain []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return b.Bytes()
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func manifest() (names map[string]string, needs map[string][]string) {
	raw, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var m struct {
		Names map[string]string   `json:"names"`
		Needs map[string][]string `json:"needs"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		panic("BUG: " + err.Error())
	}
	return m.Names, m.Needs
}
