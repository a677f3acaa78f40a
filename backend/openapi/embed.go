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
	"sync"
)

//go:embed all:docs
var docs embed.FS

// document is one served document. The compressed form is kept, the plain one
// is made when a client cannot take gzip.
type document struct {
	etag string
	// zipped gives the compressed form; what is made at run time is made by its
	// first call.
	zipped func() ([]byte, error)
}

func newDocument(zipped []byte) *document {
	sum := sha256.Sum256(zipped)
	return &document{strings.ToUpper(hex.EncodeToString(sum[:])), func() ([]byte, error) { return zipped, nil }}
}

// newLazy gives a document that is made when somebody asks for it. seed says
// what it is made of, in place of the bytes that are not there yet.
func newLazy(seed string, build func() ([]byte, error)) *document {
	sum := sha256.Sum256([]byte(seed))
	return &document{strings.ToUpper(hex.EncodeToString(sum[:])), sync.OnceValues(func() ([]byte, error) {
		plain, err := build()
		if err != nil {
			return nil, err
		}
		return compress(plain).zipped()
	})}
}

// compress makes a document from plain bytes.
func compress(plain []byte) *document { return newDocument(gzipOf([]piece{pieceOf(plain)})) }

func (d *document) plain() ([]byte, error) {
	zipped, err := d.zipped()
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped))
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
