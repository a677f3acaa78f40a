// Storybook shows every view of the dashboard with canned data, under the
// dashboard's own policy: go run ./e2e/storybook [-address 127.0.0.1:0]. It
// prints its address. /list gives all stories, one "VIEW STATE" a line.
package main

import (
	"flag"
	"fmt"
	"html"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"pilothouse/static"
	"pilothouse/templates/stories"
)

const (
	nonce  = "storybook"
	policy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" + nonce + "'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; require-trusted-types-for 'script'"
	// script does what the dashboard's does first: it shows what is for scripts.
	script = "document.documentElement.classList.add('js')\nconst t = new URLSearchParams(location.search).get('theme')\nif (t) document.documentElement.dataset.theme = t\n"
)

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	flag.Parse()
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", l.Addr())
	s := &http.Server{Handler: handler(stories.All()), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(s.Serve(l))
}

func handler(all []stories.Story) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		head(w)
		fmt.Fprint(w, `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Storybook</title><link rel="stylesheet" href="/static/app.css"><body class="bare"><main><h1>Storybook</h1><ul>`)
		for _, s := range all {
			fmt.Fprintf(w, `<li><a href="/story/%s/%s">%s, %s</a></li>`, html.EscapeString(s.View), s.State, html.EscapeString(s.View), s.State)
		}
		fmt.Fprint(w, `</ul></main></body></html>`)
	})
	mux.HandleFunc("GET /list", func(w http.ResponseWriter, _ *http.Request) {
		for _, s := range all {
			fmt.Fprintf(w, "%s %s\n", s.View, s.State)
		}
	})
	mux.HandleFunc("GET /story/{view}/{state}", func(w http.ResponseWriter, r *http.Request) {
		for _, s := range all {
			if s.View == r.PathValue("view") && s.State == r.PathValue("state") {
				head(w)
				if err := s.Write(r.Context(), w, nonce); err != nil {
					log.Print(err)
				}
				return
			}
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("GET /story.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, script)
	})
	mux.HandleFunc("GET /static/{name}", file)
	return mux
}

func head(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
}

func file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if current, ok := static.Names[name]; ok {
		name = current
	}
	f := static.Files[strings.TrimPrefix(name, "/")]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.Type)
	w.Write(f.Plain()) //nolint:errcheck // the browser may be gone
}
