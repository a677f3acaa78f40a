// Package static owns the files that browsers load: scripts and styles, bundled
// by build.mjs from src and npm packages into dist under names that carry their
// hash, compressed there once. dist is checked in, so that a build needs no
// network; the tests tell when it is not what src gives.
package static

import (
	"embed"
	"encoding/json"
	"io/fs"
	"mime"
	"path"
	"strings"
)

//go:generate make -C .. static

//go:embed dist
var dist embed.FS

// File is one file in the forms that it can be sent in.
type File struct {
	Type                string
	Plain, Gzip, Brotli []byte
}

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
			files[base] = f
		}
		switch path.Ext(name) {
		case ".gz":
			f.Gzip = raw
		case ".br":
			f.Brotli = raw
		default:
			f.Plain = raw
		}
	}
	delete(files, "manifest.json")
	return files
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
