package flowcontrol

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pilothouse/backend/request"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

func plc(name string, shares int32, queuing *flowcontrolv1.QueuingConfiguration, edit ...func(*flowcontrolv1.LimitedPriorityLevelConfiguration)) *flowcontrolv1.PriorityLevelConfiguration {
	limited := &flowcontrolv1.LimitedPriorityLevelConfiguration{
		NominalConcurrencyShares: &shares, LimitResponse: flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeReject},
	}
	if queuing != nil {
		limited.LimitResponse = flowcontrolv1.LimitResponse{Type: flowcontrolv1.LimitResponseTypeQueue, Queuing: queuing}
	}
	for _, f := range edit {
		f(limited)
	}
	return &flowcontrolv1.PriorityLevelConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("level-" + name)},
		Spec:       flowcontrolv1.PriorityLevelConfigurationSpec{Type: flowcontrolv1.PriorityLevelEnablementLimited, Limited: limited},
	}
}

func exempt() *flowcontrolv1.PriorityLevelConfiguration {
	return &flowcontrolv1.PriorityLevelConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "exempt", UID: "level-exempt"},
		Spec:       flowcontrolv1.PriorityLevelConfigurationSpec{Type: flowcontrolv1.PriorityLevelEnablementExempt, Exempt: &flowcontrolv1.ExemptPriorityLevelConfiguration{}},
	}
}

// anything is a rule for all that a subject does.
func anything(s flowcontrolv1.Subject) flowcontrolv1.PolicyRulesWithSubjects {
	return flowcontrolv1.PolicyRulesWithSubjects{
		Subjects:         []flowcontrolv1.Subject{s},
		ResourceRules:    []flowcontrolv1.ResourcePolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}, ClusterScope: true, Namespaces: []string{"*"}}},
		NonResourceRules: []flowcontrolv1.NonResourcePolicyRule{{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}}},
	}
}

func group(name string) flowcontrolv1.Subject {
	return flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindGroup, Group: &flowcontrolv1.GroupSubject{Name: name}}
}

func flowSchema(name, level string, precedence int32, method flowcontrolv1.FlowDistinguisherMethodType, rules ...flowcontrolv1.PolicyRulesWithSubjects) *flowcontrolv1.FlowSchema {
	s := &flowcontrolv1.FlowSchema{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("schema-" + name)},
		Spec: flowcontrolv1.FlowSchemaSpec{
			PriorityLevelConfiguration: flowcontrolv1.PriorityLevelConfigurationReference{Name: level}, MatchingPrecedence: precedence, Rules: rules,
		},
	}
	if method != "" {
		s.Spec.DistinguisherMethod = &flowcontrolv1.FlowDistinguisherMethod{Type: method}
	}
	return s
}

func controller(seats int, levels []*flowcontrolv1.PriorityLevelConfiguration, schemas ...*flowcontrolv1.FlowSchema) *Controller {
	c := New(Options{Seats: seats, Timeout: 40 * time.Second})
	for _, l := range levels {
		c.SetLevel(l.Name, l)
	}
	for _, s := range schemas {
		c.SetSchema(s.Name, s)
	}
	return c
}

func ask(user, verb, path string, groups ...string) *request.Request {
	method := map[string]string{"get": "GET", "list": "GET", "create": "POST"}[verb]
	r := &request.Request{Method: method, Path: path, User: &request.User{Name: user, Groups: groups}}
	r.Info = request.ParseInfo(method, path, false, "")
	return r
}

func TestClassify(t *testing.T) {
	user := flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindUser, User: &flowcontrolv1.UserSubject{Name: "ann"}}
	accounts := flowcontrolv1.Subject{Kind: flowcontrolv1.SubjectKindServiceAccount, ServiceAccount: &flowcontrolv1.ServiceAccountSubject{Namespace: "kube-system", Name: "*"}}
	leases := flowcontrolv1.PolicyRulesWithSubjects{
		Subjects:      []flowcontrolv1.Subject{group("everyone")},
		ResourceRules: []flowcontrolv1.ResourcePolicyRule{{Verbs: []string{"get", "create"}, APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Namespaces: []string{"kube-system"}}},
	}
	status := flowcontrolv1.PolicyRulesWithSubjects{
		Subjects:      []flowcontrolv1.Subject{group("everyone")},
		ResourceRules: []flowcontrolv1.ResourcePolicyRule{{Verbs: []string{"*"}, APIGroups: []string{""}, Resources: []string{"nodes", "nodes/status"}, ClusterScope: true}},
	}
	probes := flowcontrolv1.PolicyRulesWithSubjects{
		Subjects:         []flowcontrolv1.Subject{group("everyone")},
		NonResourceRules: []flowcontrolv1.NonResourcePolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/healthz", "/livez/*"}}},
	}
	c := controller(10, []*flowcontrolv1.PriorityLevelConfiguration{exempt(), plc("low", 10, nil)},
		flowSchema("dangling", "missing", 1, "", anything(group("everyone"))),
		flowSchema("masters", "exempt", 2, "", anything(group("system:masters"))),
		flowSchema("leases", "low", 3, "", leases),
		flowSchema("status", "low", 4, "", status),
		flowSchema("probes", "exempt", 5, "", probes),
		flowSchema("system", "low", 6, "", anything(accounts)),
		flowSchema("ann", "low", 7, "", anything(user)),
		flowSchema("a-first", "low", 8, "", anything(group("everyone"))),
		flowSchema("b-second", "low", 8, "", anything(group("everyone"))),
	)
	for _, tt := range []struct {
		r    *request.Request
		want string
	}{
		{ask("root", "get", "/api/v1/nodes/n", "system:masters", "everyone"), "masters"},
		{ask("bob", "get", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/l", "everyone"), "leases"},
		{ask("bob", "get", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l", "everyone"), "a-first"},
		{ask("bob", "list", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", "everyone"), "a-first"},
		{ask("bob", "get", "/api/v1/nodes/n", "everyone"), "status"},
		{ask("bob", "get", "/api/v1/nodes/n/status", "everyone"), "status"},
		{ask("bob", "get", "/api/v1/nodes/n/proxy", "everyone"), "a-first"},
		{ask("bob", "get", "/healthz", "everyone"), "probes"},
		{ask("bob", "get", "/livez/ping", "everyone"), "probes"},
		{ask("bob", "get", "/healthz/ping", "everyone"), "a-first"},
		{ask("system:serviceaccount:kube-system:gc", "get", "/api", "x"), "system"},
		{ask("system:serviceaccount:other:gc", "get", "/api", "x"), ""},
		{ask("ann", "list", "/api/v1/pods", "x"), "ann"},
		{ask("bob", "list", "/api/v1/pods", "x"), ""},
	} {
		got := ""
		if s := c.rules.Load().classify(tt.r); s != nil {
			got = s.name
		}
		if got != tt.want {
			t.Errorf("%s %s of %s is %q, want %q", tt.r.Info.Verb, tt.r.Path, tt.r.User.Name, got, tt.want)
		}
	}
}

// gate is a handler whose requests run until they are let go.
type gate struct {
	mu      sync.Mutex
	running []chan struct{}
	order   []string
}

func (g *gate) serve(_ context.Context, r *request.Request) (*request.Response, error) {
	exit := make(chan struct{})
	g.mu.Lock()
	g.running, g.order = append(g.running, exit), append(g.order, r.ID)
	g.mu.Unlock()
	<-exit
	return &request.Response{}, nil
}

// end lets the oldest running request go.
func (g *gate) end() {
	g.mu.Lock()
	exit := g.running[0]
	g.running = g.running[1:]
	g.mu.Unlock()
	close(exit)
}

func (g *gate) ran() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.order)
}

var twoQueues = &flowcontrolv1.QueuingConfiguration{Queues: 64, HandSize: 4, QueueLengthLimit: 20}

// TestTurns: a user with few requests does not wait behind one with many.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := controller(2, []*flowcontrolv1.PriorityLevelConfiguration{plc("low", 10, twoQueues)},
			flowSchema("all", "low", 1, flowcontrolv1.FlowDistinguisherMethodByUserType, anything(group("everyone"))))
		g := &gate{}
		handler := c.Filter(g.serve)
		var wg sync.WaitGroup
		send := func(user string, n int) {
			for i := range n {
				r := ask(user, "get", "/api/v1/pods", "everyone")
				r.ID = fmt.Sprintf("%s%d", user, i)
				wg.Go(func() {
					if _, err := handler(t.Context(), r); err != nil {
						t.Errorf("%s: %v", r.ID, err)
					}
				})
			}
			synctest.Wait()
		}
		send("elephant", 30)
		send("mouse", 2)
		if got := g.ran(); len(got) != 2 {
			t.Fatalf("%v run on two seats", got)
		}
		if text := string(c.dumpLevels()); !strings.Contains(text, "low,") || !strings.Contains(text, "30,") {
			t.Errorf("30 wait, the dump says\n%s", text)
		}
		for range 4 {
			time.Sleep(time.Second) // of the bubble's clock: the requests take time
			g.end()
			synctest.Wait()
		}
		mice := 0
		for _, id := range g.ran() {
			if strings.HasPrefix(id, "mouse") {
				mice++
			}
		}
		if mice != 2 {
			t.Errorf("after 4 turns %v ran", g.ran())
		}
		for len(g.ran()) < 32 || len(g.running) > 0 {
			g.end()
			synctest.Wait()
		}
		wg.Wait()
		if l := c.levels["low"]; l.inUse != 0 || l.waiting != 0 || l.seatsWaiting != 0 || l.active != 0 || l.executing != 0 {
			t.Errorf("at rest the level has %+v", l.state())
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := controller(2, []*flowcontrolv1.PriorityLevelConfiguration{
			exempt(), plc("queued", 1, &flowcontrolv1.QueuingConfiguration{Queues: 1, HandSize: 1, QueueLengthLimit: 1}), plc("plain", 1, nil),
		}, flowSchema("masters", "exempt", 1, "", anything(group("masters"))),
			flowSchema("queued", "queued", 2, "", anything(group("queued"))), flowSchema("plain", "plain", 2, "", anything(group("plain"))))
		g := &gate{}
		handler := c.Filter(g.serve)
		results := make(chan error, 10)
		send := func(ctx context.Context, id, group string) {
			r := ask("u", "get", "/api/v1/pods", group)
			r.ID = id
			go func() {
				_, err := handler(ctx, r)
				results <- err
			}()
			synctest.Wait()
		}
		refused := func(what string) {
			t.Helper()
			err := <-results
			if !apierrors.IsTooManyRequests(err) {
				t.Errorf("%s: %v", what, err)
			}
			if seconds, ok := apierrors.SuggestsClientDelay(err); !ok || seconds != 1 {
				t.Errorf("%s: Retry-After %d", what, seconds)
			}
		}
		send(t.Context(), "1", "queued")
		send(t.Context(), "2", "plain")
		send(t.Context(), "3", "plain")
		refused("over the limit of a level that rejects")
		send(t.Context(), "4", "queued")
		send(t.Context(), "5", "queued")
		refused("over the length of a queue")
		started := time.Now()
		refused("after waiting") // number 4
		if waited := time.Since(started); waited != 10*time.Second {
			t.Errorf("it waited %v, want a quarter of the request's time", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		send(ctx, "6", "queued")
		cancel()
		refused("of a client that has gone")
		for range 100 {
			go handler(t.Context(), ask("u", "get", "/api/v1/pods", "masters")) //nolint:errcheck // they run
		}
		watch := ask("u", "get", "/api/v1/pods", "queued")
		watch.Info.Verb, watch.ID = "watch", "watch"
		go handler(t.Context(), watch) //nolint:errcheck // it runs
		synctest.Wait()
		if n := len(g.ran()); n != 2+100+1 {
			t.Errorf("%d run: masters and watches hold no seats", n)
		}
		if watch.FlowSchema != "schema-queued" || watch.PriorityLevel != "level-queued" {
			t.Errorf("the request says %s, %s", watch.FlowSchema, watch.PriorityLevel)
		}
		for range 103 {
			g.end()
		}
		synctest.Wait()
	})
}

func TestWideLists(t *testing.T) {
	c := New(Options{Seats: 10, Count: func(*request.Info) int { return 4500 }})
	for verb, want := range map[string]int{"list": 5, "get": 1} {
		if got := c.width(&request.Info{Verb: verb, IsResource: true}); got != want {
			t.Errorf("a %s takes %d seats, want %d", verb, got, want)
		}
	}
	c.o.Count = func(*request.Info) int { return 1 << 20 }
	if got := c.width(&request.Info{Verb: "list"}); got != maxWidth {
		t.Errorf("a huge list takes %d seats", got)
	}
}

func TestHandsAreOfDifferentQueues(t *testing.T) {
	l := newLevel("l", time.Now)
	l.queues, l.hand = make([]queue, 8), 8
	for flow := range uint64(5000) {
		// With as many cards as queues, the least busy one is always found.
		busy := int(flow % 8)
		for i := range l.queues {
			l.queues[i].executing = 1
		}
		l.queues[busy].executing = 0
		if q := l.choose(flow * 0x9e3779b97f4a7c15); q != &l.queues[busy] {
			t.Fatalf("flow %d missed the idle queue %d", flow, busy)
		}
	}
}

func TestShare(t *testing.T) {
	sum := func(parts []int) (n int) {
		for _, p := range parts {
			n += p
		}
		return n
	}
	parts := share(100, []want{{10, 100, 10}, {10, 100, 30}, {5, 20, 40}})
	if parts[0] != 20 || parts[1] != 60 || parts[2] != 20 {
		t.Errorf("bounds and targets give %v", parts)
	}
	if parts := share(100, []want{{80, 100, 80}, {120, 120, 120}}); parts[0] != 40 || parts[1] != 60 {
		t.Errorf("too little for all gives %v", parts)
	}
	if parts := share(100, []want{{0, 100, 0.001}, {0, 100, 0.001}}); sum(parts) != 100 {
		t.Errorf("nobody wants anything: %v", parts)
	}
	if parts := share(100, []want{{0, 10, 5}, {0, 10, 5}}); parts[0] != 10 || parts[1] != 10 {
		t.Errorf("more than all may have: %v", parts)
	}
}

// TestBorrowing: a busy level gets what idle ones lend, and they get it back.
func TestBorrowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lends := func(l *flowcontrolv1.LimitedPriorityLevelConfiguration) { l.LendablePercent = ptr.To[int32](50) }
		c := controller(100, []*flowcontrolv1.PriorityLevelConfiguration{plc("busy", 50, twoQueues, lends), plc("idle", 50, nil, lends)},
			flowSchema("busy", "busy", 1, "", anything(group("busy"))), flowSchema("idle", "idle", 1, "", anything(group("idle"))))
		g := &gate{}
		handler := c.Filter(g.serve)
		limits := func(busy, idle int) {
			t.Helper()
			got := map[string]int{}
			for _, s := range c.snapshot() {
				got[s.name] = s.limit
			}
			if got["busy"] != busy || got["idle"] != idle {
				t.Errorf("limits are %v, want %d and %d", got, busy, idle)
			}
		}
		limits(50, 50)
		for i := range 60 {
			r := ask("u", "get", "/api/v1/pods", "busy")
			r.ID = fmt.Sprint(i)
			go handler(t.Context(), r) //nolint:errcheck // it runs
		}
		synctest.Wait()
		if n := len(g.ran()); n != 50 {
			t.Errorf("%d run on 50 seats", n)
		}
		time.Sleep(borrowPeriod / 2) // of the bubble's clock
		c.borrow()
		synctest.Wait()
		limits(71, 29) // 60 are wanted, and of the 25 that cannot be lent some are left over
		if n := len(g.ran()); n != 60 {
			t.Errorf("%d run on 71 seats", n)
		}
		for range 60 {
			g.end()
		}
		synctest.Wait()
	})
}

func TestDeletedLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := controller(1, []*flowcontrolv1.PriorityLevelConfiguration{plc("low", 1, twoQueues)}, flowSchema("all", "low", 1, "", anything(group("everyone"))))
		g := &gate{}
		handler := c.Filter(g.serve)
		for i := range 3 {
			r := ask("u", "get", "/api/v1/pods", "everyone")
			r.ID = fmt.Sprint(i)
			go handler(t.Context(), r) //nolint:errcheck // it runs
		}
		synctest.Wait()
		c.SetLevel("low", nil)
		synctest.Wait()
		if n := len(g.ran()); n != 3 {
			t.Errorf("%d run: those of a deleted level need not wait", n)
		}
		if s := c.snapshot(); len(s) != 1 || !s[0].retired {
			t.Errorf("the level is %+v", s)
		}
		for range 3 {
			g.end()
		}
		synctest.Wait()
		c.borrow()
		if s := c.snapshot(); len(s) != 0 {
			t.Errorf("the level is still known: %+v", s)
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	var schemas []*flowcontrolv1.FlowSchema
	for i := range 12 {
		schemas = append(schemas, flowSchema(fmt.Sprint("s", i), "low", int32(i), flowcontrolv1.FlowDistinguisherMethodByUserType, anything(group(fmt.Sprint("g", i)))))
	}
	c := controller(600, []*flowcontrolv1.PriorityLevelConfiguration{plc("low", 10, &flowcontrolv1.QueuingConfiguration{Queues: 128, HandSize: 6, QueueLengthLimit: 50})}, schemas...)
	handler := c.Filter(func(context.Context, *request.Request) (*request.Response, error) { return nil, nil })
	r := ask("system:serviceaccount:default:app", "get", "/api/v1/namespaces/default/pods/p", "system:authenticated", "g11")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := handler(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
