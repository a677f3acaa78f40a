package aggregator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/klog/v2"
	"k8s.io/kube-openapi/pkg/aggregator"
	"k8s.io/kube-openapi/pkg/openapiconv"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// openAPI is what was taken over of a server's OpenAPI documents.
type openAPI struct {
	// name is under which they were put; empty: they were not.
	name string
	// url is the v3 document's with its hash; etag is the v2 document's. Only the
	// worker that looks at the APIService has to do with them.
	url, etag string
}

// refreshOpenAPI takes over the documents of the target's group version when
// they are others than before. A server without any is fine.
func (m *Manager) refreshOpenAPI(ctx context.Context, t *target, address string, d *documents) error {
	if m.o.OpenAPI == nil {
		return nil
	}
	name := "apis/" + t.spec.Group + "/" + t.spec.Version
	at, err := t.openAPIV3(ctx, address, name)
	if err != nil {
		return err
	}
	header := http.Header{"Accept": {"application/json"}}
	if d.openapi.etag != "" && d.openapi.url == at {
		header.Set("If-None-Match", d.openapi.etag)
	}
	v2, resp, err := t.openAPIV2(ctx, address, header)
	switch {
	case err != nil:
		return err
	case d.openapi.name != "" && d.openapi.url == at && (resp.StatusCode == http.StatusNotModified || v2 == nil):
		return nil
	}
	var v3 []byte
	switch {
	case at != "":
		resp, body, err := t.remote.ask(ctx, address, at, http.Header{"Accept": {"application/json"}})
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK || !json.Valid(body) {
			return fmt.Errorf("OpenAPI v3 of %s: %s answers %d", t.name, at, resp.StatusCode)
		}
		v3 = body
	case v2 != nil:
		if v3, err = json.Marshal(openapiconv.ConvertV2ToV3(v2)); err != nil {
			return err
		}
	default:
		return nil
	}
	m.o.OpenAPI.PutRaw(name, v3, v2)
	d.openapi = openAPI{name: name, url: at, etag: resp.Header.Get("Etag")}
	return nil
}

func (m *Manager) removeOpenAPI(d *documents) {
	if d.openapi.name != "" && m.o.OpenAPI != nil {
		m.o.OpenAPI.Remove(d.openapi.name)
	}
}

// openAPIV3 gives the path of the document of a name, with its hash; empty when
// the server has none.
func (t *target) openAPIV3(ctx context.Context, address, name string) (string, error) {
	resp, body, err := t.remote.ask(ctx, address, "/openapi/v3", http.Header{"Accept": {"application/json"}})
	if err != nil || resp.StatusCode != http.StatusOK {
		return "", err
	}
	var index struct {
		Paths map[string]struct {
			ServerRelativeURL string `json:"serverRelativeURL"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(body, &index); err != nil {
		return "", fmt.Errorf("OpenAPI v3 of %s: %w", t.name, err)
	}
	at, err := url.Parse(index.Paths[name].ServerRelativeURL)
	// A document elsewhere is none: requests of this server's own go nowhere
	// else.
	if err != nil || at.Host != "" || !strings.HasPrefix(at.Path, "/") {
		return "", nil
	}
	return at.String(), nil
}

// openAPIV2 gives the part of the v2 document that is about the target, nil when
// there is none or it is as before.
func (t *target) openAPIV2(ctx context.Context, address string, header http.Header) (*spec.Swagger, *http.Response, error) {
	resp, body, err := t.remote.ask(ctx, address, "/openapi/v2", header)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, resp, err
	}
	doc := &spec.Swagger{}
	if err := json.Unmarshal(body, doc); err != nil {
		klog.V(2).InfoS("OpenAPI v2 of an APIService left out", "name", t.name, "err", err)
		return nil, resp, nil
	}
	if doc.Paths == nil {
		return nil, resp, nil
	}
	return aggregator.FilterSpecByPathsWithoutSideEffects(doc, []string{"/apis/" + t.spec.Group + "/" + t.spec.Version + "/"}), resp, nil
}
