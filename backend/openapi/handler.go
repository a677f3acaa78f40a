package openapi

import (
	"context"
	"net/http"
	"strings"

	"pilothouse/backend/request"
)

const (
	protobufV2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
	protobufV3 = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
	plainText  = "text/plain; charset=utf-8"
)

// Handles tells whether a path is this package's.
func Handles(path string) bool {
	return path == "/openapi/v2" || path == "/openapi/v3" || strings.HasPrefix(path, "/openapi/v3/")
}

// Handle answers /openapi/v2, /openapi/v3 and the documents below it, with the
// formats, ETags and hash parameters of KEP-2896. As in Kubernetes any method
// reads them.
func (s *Service) Handle(_ context.Context, r *request.Request) (*request.Response, error) {
	switch path := r.Path; {
	case path == "/openapi/v2":
		pb, ok := wantsProtobuf(r.Header.Get("Accept"), "v2")
		if !ok {
			return &request.Response{Status: http.StatusNotAcceptable}, nil
		}
		d, err := s.v2Document(pb)
		if err != nil {
			return nil, err
		}
		return send(r, d, mediaType(pb, protobufV2))
	case path == "/openapi/v3":
		d, err := s.indexDocument()
		if err != nil {
			return nil, err
		}
		return send(r, d, plainText)
	}
	return s.handleV3(r, strings.TrimPrefix(r.Path, "/openapi/v3/"))
}

func (s *Service) handleV3(r *request.Request, name string) (*request.Response, error) {
	d, ok := s.v3Document(name)
	if !ok {
		return &request.Response{Status: http.StatusNotFound}, nil
	}
	pb, ok := wantsProtobuf(r.Header.Get("Accept"), "v3")
	if !ok {
		return &request.Response{Status: http.StatusNotAcceptable}, nil
	}
	etag := d.etag
	if hash := r.Query().Get("hash"); hash != "" && hash != etag {
		return &request.Response{Status: http.StatusMovedPermanently, Header: []request.HeaderLine{{Name: "Location", Value: "/openapi/v3/" + name + "?hash=" + etag}}}, nil
	}
	if pb {
		var err error
		if d, err = s.v3Protobuf(name, d); err != nil {
			return nil, err
		}
	}
	resp, err := send(r, d, mediaType(pb, protobufV3))
	if err == nil && r.Query().Get("hash") != "" {
		resp.Header = append(resp.Header, request.HeaderLine{Name: "Cache-Control", Value: "public, immutable"})
	}
	return resp, err
}

func mediaType(protobuf bool, name string) string {
	if protobuf {
		return name
	}
	return "application/json"
}

// send answers with a document: 304 when the client has it, compressed when it
// takes gzip.
func send(r *request.Request, d *document, contentType string) (*request.Response, error) {
	resp := &request.Response{ContentType: contentType, Header: []request.HeaderLine{
		{Name: "Etag", Value: `"` + d.etag + `"`}, {Name: "Vary", Value: "Accept-Encoding, Accept"}}}
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, d.etag) {
		resp.Status = http.StatusNotModified
		return resp, nil
	}
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		resp.Header = append(resp.Header, request.HeaderLine{Name: "Content-Encoding", Value: "gzip"})
		zipped, err := d.zipped()
		if err != nil {
			return nil, err
		}
		resp.Body = zipped
		return resp, nil
	}
	plain, err := d.plain()
	if err != nil {
		return nil, err
	}
	resp.Body = plain
	return resp, nil
}

func acceptsGzip(header string) bool {
	for _, part := range strings.Split(header, ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if coding == "gzip" && strings.ReplaceAll(params, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

// wantsProtobuf reads an Accept header; ok is false when neither JSON nor
// protobuf would do. The first acceptable type wins, as in kube-openapi.
func wantsProtobuf(accept, version string) (protobuf, ok bool) {
	if accept == "" {
		return false, true
	}
	for _, part := range strings.Split(accept, ",") {
		t, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch strings.TrimSpace(t) {
		case "*/*", "application/*", "application/json":
			return false, true
		case "application/com.github.proto-openapi.spec." + version + "@v1.0+protobuf", "application/com.github.proto-openapi.spec." + version + ".v1.0+protobuf":
			return true, true
		}
	}
	return false, false
}
