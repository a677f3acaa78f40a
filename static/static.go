// Package static owns the files that browsers load: scripts and styles, bundled
// by build.mjs from src and npm packages into dist under names that carry their
// hash, compressed there once. dist is checked in, so that a build needs no
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
)

//go:generate make -C .. static

// dist has the compressed forms alone: they are a third of the plain ones.
//
//go:embed dist/*.gz dist/*.br dist/manifest.json
var dist embed.FS

// File is one file in the forms that it can be sent in.
type File struct {
	Type         string
	Gzip, Brotli []byte
	plain        func() []byte
}

// Plain gives the file as it is, for clients that take no compressed form; it is
// made of one at the first call.
func (f *File) Plain() []byte { return f.plain() }

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
		raw, err := dist.ReadFile("dist/" + e.Name())
		if err != nil {
			panic("BUG: " + err.Error())
		}
		name := e.Name()
		base := strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".br")
		f := files[base]
		if f == nil {
			f = &File{Type: contentType(base)}
			f.plain = sync.OnceValue(func() []byte { return inflated(f.Gzip) })
			files[base] = f
		}
		switch path.Ext(name) {
		case ".gz":
			f.Gzip = raw
		case ".br":
			f.Brotli = raw
		}
	}
	delete(files, "manifest.json")
	return files
}

func inflated(compressed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return plain
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
