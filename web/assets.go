package web

import (
	"net/http"

	"pilothouse/backend/request"
	"pilothouse/static"
	"pilothouse/web/messages"
	"pilothouse/web/view"
)

// messagesPath is where the messages of scripts are.
const messagesPath = "/ui/messages/"

func assets(l *messages.Language) view.Assets {
	address := func(name string) string { return "/ui/static/" + static.Names[name] }
	a := view.Assets{Script: address("app.js"), Style: address("app.css"), Icon: address("icon.svg")}
	if s := l.Script(); s != nil {
		a.Messages = messagesPath + s.Name
	}
	return a
}

// messages sends what scripts say in a language. Its name carries its hash.
func (d *Dashboard) messages(r *request.Request, name string) (*request.Response, error) {
	s := messages.FindScript(name)
	if s == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return notThere(), nil
	}
	p := &request.Response{ContentType: "text/javascript; charset=utf-8", Body: s.Body, Header: keep(forever)}
	compress(r, p)
	return p, nil
}

func notThere() *request.Response {
	return plainText(http.StatusNotFound, "404 page not found")
}

// forever is how browsers keep files whose names carry their hashes.
const forever = "public, max-age=31536000, immutable"

// keep are the headers of a file that a browser may keep.
func keep(cache string) []request.HeaderLine {
	all := []request.HeaderLine{strictest}
	for _, l := range safety {
		switch l.Name {
		case "Cache-Control":
			l.Value = cache
		case "Cross-Origin-Opener-Policy", "Referrer-Policy":
			continue // are about pages
		}
		all = append(all, l)
	}
	return all
}

// asset sends a file. Its name carries its hash, so it never changes; a name
// without a hash stands for the file of now.
func (d *Dashboard) asset(r *request.Request, name string) (*request.Response, error) {
	cache := forever
	if current, ok := static.Names[name]; ok {
		name, cache = current, "no-cache"
	}
	f := static.Files[name]
	if f == nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return notThere(), nil
	}
	p := &request.Response{ContentType: f.Type}
	p.Header = append(keep(cache), request.HeaderLine{Name: "Vary", Value: "Accept-Encoding"})
	switch {
	case accepts(r, "br"):
		p.Body = f.Brotli
		p.Header = append(p.Header, request.HeaderLine{Name: "Content-Encoding", Value: "br"})
	case accepts(r, "gzip"):
		p.Body = f.Gzip()
		p.Header = append(p.Header, request.HeaderLine{Name: "Content-Encoding", Value: "gzip"})
	default:
		p.Body = f.Plain()
	}
	return p, nil
}
