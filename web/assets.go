package web

import (
	"net/http"

	"pilothouse/backend/request"
	"pilothouse/static"
	"pilothouse/web/view"
)

func assets() view.Assets {
	address := func(name string) string { return "/ui/static/" + static.Names[name] }
	return view.Assets{Script: address("app.js"), Style: address("app.css"), Icon: address("icon.svg")}
}

// asset sends a file. Its name carries its hash, so it never changes; a name
// without a hash stands for the file of now.
func (d *Dashboard) asset(r *request.Request, name string) (*request.Response, error) {
	cache := "public, max-age=31536000, immutable"
	if current, ok := static.Names[name]; ok {
		name, cache = current, "no-cache"
	}
	f := static.Files[name]
	if f == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &request.Response{Status: http.StatusNotFound, ContentType: "text/plain; charset=utf-8", Body: []byte("404 page not found\n")}, nil
	}
	p := &request.Response{ContentType: f.Type, Body: f.Plain}
	for _, l := range safety {
		if l.Name == "Cache-Control" {
			l.Value = cache
		}
		p.Header = append(p.Header, l)
	}
	p.Header = append(p.Header, request.HeaderLine{Name: "Vary", Value: "Accept-Encoding"})
	switch {
	case f.Brotli != nil && accepts(r, "br"):
		p.Body = f.Brotli
		p.Header = append(p.Header, request.HeaderLine{Name: "Content-Encoding", Value: "br"})
	case f.Gzip != nil && accepts(r, "gzip"):
		p.Body = f.Gzip
		p.Header = append(p.Header, request.HeaderLine{Name: "Content-Encoding", Value: "gzip"})
	}
	return p, nil
}
