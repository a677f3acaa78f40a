package audit

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"pilothouse/backend/webhook/kubeconfig"

	"k8s.io/klog/v2"
)

// WebhookOptions say where events are posted, as the flags --audit-webhook-...
// do.
type WebhookOptions struct {
	// ConfigFile is a kubeconfig.
	ConfigFile string
	Mode       string
	// InitialBackoff is the wait before the second try.
	InitialBackoff time.Duration
	Batch          BatchOptions
}

const (
	pluginWebhook = "webhook"
	// postTimeout ends one request.
	postTimeout = 30 * time.Second
	// postTries, backoffGrowth and backoffJitter are Kubernetes'.
	postTries     = 5
	backoffGrowth = 1.5
	backoffJitter = 0.2
	// parallelPosts bounds the batches on their way.
	parallelPosts = 8
)

// OpenWebhook gives the sink that posts EventLists.
func OpenWebhook(o WebhookOptions) (Sink, error) {
	client, err := kubeconfig.Open(kubeconfig.Options{File: o.ConfigFile, Name: "audit webhook", Timeout: postTimeout})
	if err != nil {
		return nil, err
	}
	p := &poster{client: client, backoff: o.InitialBackoff, ending: make(chan struct{})}
	if o.Mode == ModeBatch {
		o.Batch.Parallel = parallelPosts
		return newBatcher(pluginWebhook, o.Batch, p), nil
	}
	return &blocking{plugin: pluginWebhook, to: p, strict: o.Mode == ModeBlockingStrict}, nil
}

// poster posts events. Whatever goes wrong it tries again, with pauses that
// grow; at the end of the server it pauses no more.
type poster struct {
	client  *kubeconfig.Client
	backoff time.Duration
	once    sync.Once
	ending  chan struct{}
}

const (
	listStart = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[`
	listEnd   = "]}\n"
)

// encode gives an event as an item of a list, with a comma after it.
func (p *poster) encode(e *Event) []byte {
	line := e.Line()
	item := make([]byte, 0, len(line))
	item = append(append(item, '{'), line[len(eventStart):len(line)-1]...)
	return append(item, ',')
}

func (p *poster) send(ctx context.Context, data []byte, count int) (err error) {
	body := make([]byte, 0, len(listStart)+len(data)+len(listEnd))
	body = append(append(body, listStart...), data[:len(data)-1]...)
	body = append(body, listEnd...)
	pause := p.backoff
	for try := 1; ; try++ {
		if err = p.client.PostOnce(ctx, body); err == nil || try == postTries || ctx.Err() != nil {
			return err
		}
		klog.V(2).InfoS("Audit webhook failed, trying again", "events", count, "try", try, "err", err)
		p.wait(ctx, time.Duration(float64(pause)*(1+backoffJitter*rand.Float64())))
		pause = time.Duration(float64(pause) * backoffGrowth)
	}
}

// lastPause is the pause between tries when the server ends.
const lastPause = 100 * time.Millisecond

// wait pauses, shortly when the server ends.
func (p *poster) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return
	case <-ctx.Done():
		return
	case <-p.ending:
	}
	timer.Reset(min(d, lastPause))
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *poster) hurry() { p.once.Do(func() { close(p.ending) }) }

func (p *poster) close() error {
	p.hurry()
	p.client.CloseIdle()
	return nil
}
