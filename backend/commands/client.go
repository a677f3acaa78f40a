package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	timeout   = 30 * time.Second
	maxAnswer = 256 << 20
)

// server is the API of a running server.
type server struct {
	http      *http.Client
	base      string
	namespace string
	config    *rest.Config
}

// at is another server of the same cluster: asked as the same user, and believed
// only with a certificate of the same authority and for the same name.
func (s *server) at(address string) (*server, error) {
	config := rest.CopyConfig(s.config)
	if config.ServerName == "" {
		u, err := url.Parse(s.base)
		if err != nil {
			return nil, err
		}
		config.ServerName = u.Hostname()
	}
	config.Host = "https://" + address
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	return &server{client, config.Host, s.namespace, config}, nil
}

// connect reads the kubeconfig; nothing is asked yet.
func (w *where) connect() (*server, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: w.file()}
	if list := filepath.SplitList(w.file()); len(list) > 1 { // as kubectl reads $KUBECONFIG
		rules = &clientcmd.ClientConfigLoadingRules{Precedence: list}
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read %s (--kubeconfig): %w", w.file(), err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.file(), err)
	}
	if w.namespace != "" {
		namespace = w.namespace
	}
	config.Timeout, config.UserAgent = timeout, "pilothouse"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.file(), err)
	}
	return &server{client, strings.TrimSuffix(config.Host, "/"), namespace, config}, nil
}

// get reads the answer to a GET.
func (s *server) get(ctx context.Context, path string, q url.Values, into any) error {
	raw, err := s.send(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// send makes a request; what is no success comes as an API error.
func (s *server) send(ctx context.Context, method, path string, q url.Values, body []byte) ([]byte, error) {
	u := s.base + path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, u, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return nil, refusal(resp)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
}

// refusal is an answer that is no success as an error.
func refusal(resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	var status metav1.Status
	if json.Unmarshal(raw, &status) == nil && status.Kind == "Status" {
		return &apierrors.StatusError{ErrStatus: status}
	}
	return fmt.Errorf("%s %s: %s", resp.Request.Method, resp.Request.URL.Path, resp.Status)
}

// kind is a resource that the server has.
type kind struct {
	group, version string
	metav1.APIResource
}

// path is where objects are, or one of them.
func (k *kind) path(namespace, name string) string {
	out := "/api/" + k.version
	if k.group != "" {
		out = "/apis/" + k.group + "/" + k.version
	}
	if k.Namespaced {
		out += "/namespaces/" + url.PathEscape(namespace)
	}
	out += "/" + k.Name
	if name != "" {
		out += "/" + url.PathEscape(name)
	}
	return out
}

// find finds a resource by what people call it: pods, pod, po, Pod,
// deployments.apps.
func (s *server) find(ctx context.Context, name string) (*kind, error) {
	name, group, hasGroup := strings.Cut(strings.ToLower(name), ".")
	var groups metav1.APIGroupList
	if err := s.get(ctx, "/apis", nil, &groups); err != nil {
		return nil, err
	}
	versions := []metav1.GroupVersionForDiscovery{{GroupVersion: "v1", Version: "v1"}}
	for _, g := range groups.Groups {
		versions = append(versions, g.PreferredVersion)
	}
	for _, v := range versions {
		of, version, ok := strings.Cut(v.GroupVersion, "/")
		path := "/apis/" + v.GroupVersion
		if !ok {
			of, version, path = "", v.GroupVersion, "/api/"+v.GroupVersion
		}
		if hasGroup && of != group {
			continue
		}
		var list metav1.APIResourceList
		if err := s.get(ctx, path, nil, &list); err != nil {
			continue // a group whose server is away
		}
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") && (r.Name == name || r.SingularName == name || strings.ToLower(r.Kind) == name || slices.Contains(r.ShortNames, name)) {
				return &kind{of, version, r}, nil
			}
		}
	}
	return nil, fmt.Errorf("the server has no resource %q", name)
}

// object reads KIND/NAME or KIND NAME.
func (s *server) object(ctx context.Context, args []string) (*kind, string, error) {
	what, name, ok := strings.Cut(args[0], "/")
	switch {
	case ok && len(args) == 1:
	case !ok && len(args) == 2:
		name = args[1]
	default:
		return nil, "", errors.New("write KIND/NAME, as in deployments/web")
	}
	k, err := s.find(ctx, what)
	return k, name, err
}
