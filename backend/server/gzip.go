package server

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"pilothouse/backend/request"

	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"
)

// gzipFrom is the size from which a body is compressed for a client that
// accepts it, as in Kubernetes.
const gzipFrom = 128 << 10

var gzippers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, 1)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return w
}}

// wantsGzip tells whether a response of some length is to be compressed: it is
// large, its client takes gzip, and the endpoint has not encoded it already.
func wantsGzip(r *request.Request, p *request.Response, length int64) bool {
	if length < gzipFrom || r.Method == http.MethodHead || p.Status == http.StatusPartialContent {
		return false
	}
	for _, l := range p.Header {
		if strings.EqualFold(l.Name, "Content-Encoding") {
			return false
		}
	}
	return acceptsGzip(r.Header.Values("Accept-Encoding"))
}

// acceptsGzip reads Accept-Encoding; "gzip;q=0" is a refusal.
func acceptsGzip(values []string) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			coding, params, _ := strings.Cut(part, ";")
			if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				continue
			}
			q, isQ := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			return !isQ || strings.Trim(q, "0.") != ""
		}
	}
	return false
}

// writeGzip sets a compressed body. A Body is compressed into fasthttp's buffer
// and gets a Content-Length; a Stream, which may be large, is compressed while
// it is sent.
func writeGzip(fc *fasthttp.RequestCtx, p *request.Response) {
	fc.Response.Header.Set("Content-Encoding", "gzip")
	fc.Response.Header.Add("Vary", "Accept-Encoding")
	if p.Stream != nil {
		b := newBlockStream(fc, p.Stream.WriteTo)
		b.wrap = gzipping
		fc.Response.SetBodyStream(b, -1)
		return
	}
	g := newGzipper(fc.Response.BodyWriter())
	g.Write(p.Body) //nolint:errcheck // into memory
	g.Close()       //nolint:errcheck // into memory
}

// gzipper is a pooled gzip writer, given back by Close.
type gzipper struct{ *gzip.Writer }

func gzipping(w io.Writer) encoder { return newGzipper(w) }

func newGzipper(w io.Writer) *gzipper {
	g := gzippers.Get().(*gzip.Writer)
	g.Reset(w)
	return &gzipper{g}
}

// Close ends the gzip stream and gives the writer back.
func (g *gzipper) Close() error {
	err := g.Writer.Close()
	g.Writer.Reset(nil)
	gzippers.Put(g.Writer)
	g.Writer = nil
	return err
}
