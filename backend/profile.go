package backend

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"

	"pilothouse/backend/request"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// maxProfile bounds how long one profile may take.
const maxProfile = 5 * time.Minute

// serveProfile answers /debug/pprof as net/http/pprof does.
func serveProfile(_ context.Context, r *request.Request) (*request.Response, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.Path, "/debug/pprof"), "/")
	query := r.Query()
	switch name {
	case "":
		return profileIndex(), nil
	case "profile":
		return timed(query.Get("seconds"), 30*time.Second, pprofStart, pprof.StopCPUProfile)
	case "trace":
		return timed(query.Get("seconds"), time.Second, traceStart, trace.Stop)
	}
	p := pprof.Lookup(name)
	if p == nil {
		return notFound(), nil
	}
	debug, err := strconv.Atoi(query.Get("debug"))
	if gc, err := strconv.Atoi(query.Get("gc")); err == nil && gc > 0 && name == "heap" {
		runtime.GC()
	}
	contentType := "text/plain; charset=utf-8"
	if err != nil || debug == 0 {
		debug, contentType = 0, "application/octet-stream"
	}
	return &request.Response{ContentType: contentType, Chunked: func(_ context.Context, w request.ChunkWriter) error {
		return p.WriteTo(w, debug)
	}}, nil
}

func pprofStart(w request.ChunkWriter) error { return pprof.StartCPUProfile(w) }
func traceStart(w request.ChunkWriter) error { return trace.Start(w) }

// timed records for some seconds and streams what is recorded.
func timed(seconds string, usual time.Duration, start func(request.ChunkWriter) error, stop func()) (*request.Response, error) {
	length := usual
	if seconds != "" {
		n, err := strconv.ParseFloat(seconds, 64)
		if err != nil || n <= 0 || n > maxProfile.Seconds() {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("seconds must be between 0 and %v", maxProfile.Seconds()))
		}
		length = time.Duration(n * float64(time.Second))
	}
	return &request.Response{ContentType: "application/octet-stream", Chunked: func(ctx context.Context, w request.ChunkWriter) error {
		if err := start(w); err != nil {
			return errors.Join(errors.New("start profile"), err)
		}
		defer stop()
		select {
		case <-ctx.Done():
		case <-time.After(length):
		}
		return nil
	}}, nil
}

func profileIndex() *request.Response {
	var out strings.Builder
	for _, p := range pprof.Profiles() {
		fmt.Fprintf(&out, "%d\t%s\n", p.Count(), p.Name())
	}
	out.WriteString("\tprofile\n\ttrace\n")
	return &request.Response{ContentType: "text/plain; charset=utf-8", Body: []byte(out.String())}
}
