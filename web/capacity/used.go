package capacity

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"pilothouse/backend/client"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// pace is how often the metrics are asked for, which a metrics server gathers
// every 15 seconds; timeout is how long one answer may take, patience how long the
// first one is waited for.
const (
	pace     = 15 * time.Second
	timeout  = 5 * time.Second
	patience = 500 * time.Millisecond
)

// Metrics are the metrics of nodes, of an API that is there when somebody serves
// it.
var Metrics = schema.GroupVersionResource{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "nodes"}

// followUsed keeps up to date what the nodes use. It closes first after the first
// answer, or when that takes long.
func (l *Ledger) followUsed(ctx context.Context, c *client.Client, first chan struct{}) {
	late := time.AfterFunc(patience, func() { close(first) })
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		used := readUsed(ctx, c)
		l.mu.Lock()
		same := maps.Equal(used, l.used)
		l.mu.Unlock()
		if !same {
			l.change(ctx, func() { l.used = used })
		}
		if late.Stop() {
			close(first)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// readUsed gives what each node uses, nothing where no API says so.
func readUsed(ctx context.Context, c *client.Client) map[string]Amounts {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	raw, err := c.Bytes(ctx, client.Call{Method: "GET", Path: client.Path(Metrics, "", "", "")})
	if err != nil {
		return nil
	}
	var list struct {
		Items []struct {
			Metadata meta                `json:"metadata"`
			Usage    corev1.ResourceList `json:"usage"`
		} `json:"items"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	used := map[string]Amounts{}
	for _, one := range list.Items {
		used[one.Metadata.Name] = amounts(one.Usage)
	}
	return used
}
