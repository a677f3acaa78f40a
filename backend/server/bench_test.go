package server

import (
	"context"
	"io"
	"net/http"
	"testing"

	"pilothouse/backend/request"
)

var smallBody = make([]byte, 1700)

func answerSmall(context.Context, *request.Request) (*request.Response, error) {
	return &request.Response{ContentType: "application/json", Body: smallBody}, nil
}

// BenchmarkFilters is what the filters cost a request, without a network.
func BenchmarkFilters(b *testing.B) {
	h := filtered(answerSmall)
	b.ReportAllocs()
	for b.Loop() {
		r := ask("GET", "/api/v1/namespaces/default/configmaps/a")
		if p, err := h(context.Background(), r); err != nil || len(p.Body) != len(smallBody) {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet is a GET over TLS on a connection that stays open, client
// included.
func BenchmarkGet(b *testing.B) {
	f := start(b, answerSmall)
	client := f.client()
	b.ReportAllocs()
	for b.Loop() {
		get(b, client, f.url+"/api/v1/namespaces/default/configmaps/a")
	}
}

// BenchmarkList is a list of 10,000 objects over TLS, client included.
func BenchmarkList(b *testing.B) {
	list := segments{string(smallBody), 10_000}
	f := start(b, func(context.Context, *request.Request) (*request.Response, error) {
		return &request.Response{ContentType: "application/json", Stream: list}, nil
	})
	client := f.client()
	b.SetBytes(list.Len())
	b.ReportAllocs()
	for b.Loop() {
		get(b, client, f.url+"/api/v1/pods")
	}
}

func get(b *testing.B, client *http.Client, url string) {
	resp, err := client.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.Fatal(err)
	}
}
