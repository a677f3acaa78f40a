package rows

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pilothouse/backend/client"
	"pilothouse/backend/request"
)

// BenchmarkView50000 tells what an order or a filter that nobody else looks at
// costs over 50,000 pods: the goal from key to pixel is 250 ms.
func BenchmarkView50000(b *testing.B) {
	const n = 50_000
	rows := make([]string, n)
	for i := range rows {
		app := []string{"api-gateway", "billing", "cart", "checkout", "frontend"}[i%5]
		rows[i] = fmt.Sprintf(`{"cells":["%[1]s-%[2]x","1/1","Running","%[3]d (5m ago)","3d","10.0.%[4]d.7","node-%[5]d"],"object":{"metadata":{"uid":"u-%[2]d","namespace":"team-%[6]d","name":"%[1]s-%[2]x","resourceVersion":"%[2]d","creationTimestamp":"2026-01-02T03:04:05Z","labels":{"app":"%[1]s","tier":"web"}}}}`,
			app, i, i*7%23, i%250, i%200, i%20)
	}
	table := fmt.Sprintf(`{"kind":"Table","metadata":{"resourceVersion":"1"},"columnDefinitions":[{"name":"Name"},{"name":"Ready"},{"name":"Status"},{"name":"Restarts"},{"name":"Age"},{"name":"IP"},{"name":"Node"}],"rows":[%s]}`, strings.Join(rows, ","))
	ctx, cancel := context.WithCancel(b.Context())
	p := NewPool(ctx)
	defer func() { cancel(); p.Wait() }()
	c := client.New(func(ctx context.Context, r *request.Request) (*request.Response, error) {
		if r.Query().Get("watch") != "" {
			return &request.Response{Chunked: func(ctx context.Context, _ request.ChunkWriter) error { <-ctx.Done(); return nil }}, nil
		}
		return &request.Response{Body: []byte(table)}, nil
	}, &request.User{Name: "ann"}, "test")
	for _, q := range []Query{{}, {Sort: "name"}, {Sort: "restarts", Desc: true}, {Sort: "age"}, {Filter: Filter{Words: []string{"cart"}}}, {Filter: Filter{Not: []string{"cart"}}}} {
		b.Run(fmt.Sprintf("sort=%s,words=%v,not=%v", q.Sort, q.Filter.Words, q.Filter.Not), func(b *testing.B) {
			keep, err := p.Open(ctx, c, Key{GVR: pods}, Query{Filter: Filter{Words: []string{"nothing"}}})
			if err != nil {
				b.Fatal(err)
			}
			defer keep.Close()
			b.ReportAllocs()
			for b.Loop() {
				v, err := p.Open(ctx, c, Key{GVR: pods}, q)
				if err != nil {
					b.Fatal(err)
				}
				v.Close()
			}
		})
	}
}
