package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

//go:embed all:docs
var docs embed.FS

// document is one served document. The compressed form is kept, the plain one
// is made when a client cannot take gzip.
type document struct {
	zipped []byte
	etag   string
}

func newDocument(zipped []byte) *document {
	sum := sha256.Sum256(zipped)
	return &document{zipped, strings.ToUpper(hex.EncodeToString(sum[:]))}
}

// compress makes a document from plain bytes.
func compress(plain []byte) *document {
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	// Neither can fail: the buffer takes everything.
	_, _ = w.Write(plain)
	_ = w.Close()
	return newDocument(buf.Bytes())
}

func (d *document) plain() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(d.zipped))
	if err != nil {
		return nil, fmt.Errorf("open compressed document: %w", err)
	}
	return io.ReadAll(r)
}

// embedded reads the documents that gendocs made.
func embedded() (v2, v2pb *document, v3 map[string]*document, err error) {
	read := func(name string) (*document, error) {
		raw, err := docs.ReadFile("docs/" + name)
		if err != nil {
			return nil, err
		}
		return newDocument(raw), nil
	}
	if v2, err = read("v2.json.gz"); err != nil {
		return nil, nil, nil, err
	}
	if v2pb, err = read("v2.pb.gz"); err != nil {
		return nil, nil, nil, err
	}
	files, err := fs.ReadDir(docs, "docs/v3")
	if err != nil {
		return nil, nil, nil, err
	}
	v3 = map[string]*document{}
	for _, f := range files {
		d, err := read("v3/" + f.Name())
		if err != nil {
			return nil, nil, nil, err
		}
		v3[strings.ReplaceAll(strings.TrimSuffix(f.Name(), ".json.gz"), "__", "/")] = d
	}
	return v2, v2pb, v3, nil
}
