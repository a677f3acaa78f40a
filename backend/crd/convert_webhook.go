package crd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"pilothouse/backend/webhook"

	"github.com/google/uuid"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// conversionTimeout bounds one call of a conversion webhook.
const conversionTimeout = 30 * time.Second

// webhookConverter asks a definition's webhook. The same object in the same
// version is asked for once while the answer is remembered.
type webhookConverter struct {
	clients  *webhook.Clients
	target   webhook.Target
	versions []string

	mu    sync.Mutex
	known map[conversion]*unstructured.Unstructured
}

// conversion names an answer: an object's state and the version asked for.
type conversion struct {
	uid, revision, from, to string
	generation              int64
}

// maxKnown bounds the answers that are remembered.
const maxKnown = 1024

func newWebhook(d *Definition, c *apiextensionsv1.WebhookConversion, clients *webhook.Clients) converter {
	w := &webhookConverter{clients: clients, versions: c.ConversionReviewVersions, known: map[conversion]*unstructured.Unstructured{}}
	if config := c.ClientConfig; config != nil {
		w.target.CABundle = config.CABundle
		if config.URL != nil {
			w.target.URL = *config.URL
		}
		if s := config.Service; s != nil {
			w.target.Service = &webhook.Service{Namespace: s.Namespace, Name: s.Name, Port: 443}
			if s.Port != nil {
				w.target.Service.Port = *s.Port
			}
			if s.Path != nil {
				w.target.Service.Path = *s.Path
			}
		}
	}
	return w
}

func (w *webhookConverter) convert(u *unstructured.Unstructured, to schema.GroupVersion) (*unstructured.Unstructured, error) {
	if len(u.Object) <= 2 && u.GetName() == "" { // an empty object is the same in every version
		u.SetAPIVersion(to.String())
		return u, nil
	}
	key := conversion{string(u.GetUID()), u.GetResourceVersion(), u.GetAPIVersion(), to.String(), u.GetGeneration()}
	stored := key.uid != "" && key.revision != ""
	if stored {
		w.mu.Lock()
		known := w.known[key]
		w.mu.Unlock()
		if known != nil {
			return known.DeepCopy(), nil
		}
	}
	out, err := w.ask(u, to)
	if err != nil {
		// Clients see what the webhook says, as with kube-apiserver.
		return nil, &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError,
			Message: fmt.Sprintf("conversion webhook for %v %v", u.GroupVersionKind(), err)}}
	}
	return out, nil
}

// ask makes the call and checks the answer.
func (w *webhookConverter) ask(u *unstructured.Unstructured, to schema.GroupVersion) (*unstructured.Unstructured, error) {
	version := w.reviewVersion()
	if version == "" {
		return nil, errors.New("failed: no supported conversion review versions")
	}
	raw, err := json.Marshal(u.Object)
	if err != nil {
		return nil, err
	}
	uid := uuid.NewString()
	body, err := json.Marshal(map[string]any{
		"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/" + version,
		"request": map[string]any{"uid": uid, "desiredAPIVersion": to.String(), "objects": []json.RawMessage{raw}},
	})
	if err != nil {
		return nil, err
	}
	answer, err := w.clients.Post(context.Background(), &w.target, conversionTimeout, body)
	if err != nil {
		return nil, fmt.Errorf("failed: %w", err)
	}
	objects, err := converted(answer, version, uid)
	switch {
	case err != nil:
		return nil, fmt.Errorf("failed: %w", err)
	case len(objects) != 1:
		return nil, fmt.Errorf("returned %d objects, expected 1", len(objects))
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(objects[0]); err != nil {
		return nil, fmt.Errorf("returned invalid object: %w", err)
	}
	if got := out.GroupVersionKind().GroupVersion(); got != to {
		return nil, fmt.Errorf("returned invalid object at index 0: invalid groupVersion (expected %v, received %v)", to, got)
	}
	if out.GetKind() != u.GetKind() {
		return nil, fmt.Errorf("returned invalid object at index 0: invalid kind (expected %v, received %v)", u.GetKind(), out.GetKind())
	}
	if err := sameObject(u, out); err != nil {
		return nil, fmt.Errorf("returned invalid object: %w", err)
	}
	if err := restoreMetadata(u, out); err != nil {
		return nil, fmt.Errorf("returned invalid metadata: %w", err)
	}
	w.remember(u, out, to)
	return out, nil
}

func (w *webhookConverter) remember(u, out *unstructured.Unstructured, to schema.GroupVersion) {
	if u.GetUID() == "" || u.GetResourceVersion() == "" {
		return
	}
	key := conversion{string(u.GetUID()), u.GetResourceVersion(), u.GetAPIVersion(), to.String(), u.GetGeneration()}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.known) >= maxKnown {
		clear(w.known)
	}
	w.known[key] = out.DeepCopy()
}

// reviewVersion is the first version of ConversionReview that both sides know.
func (w *webhookConverter) reviewVersion() string {
	for _, v := range w.versions {
		if v == "v1" || v == "v1beta1" {
			return v
		}
	}
	return ""
}

// converted reads a ConversionReview.
func converted(answer []byte, version, uid string) ([]json.RawMessage, error) {
	var review struct {
		metav1.TypeMeta `json:",inline"`
		Response        *struct {
			UID              string            `json:"uid"`
			ConvertedObjects []json.RawMessage `json:"convertedObjects"`
			Result           metav1.Status     `json:"result"`
		} `json:"response"`
	}
	if err := json.Unmarshal(answer, &review); err != nil {
		return nil, err
	}
	want := apiextensionsv1.SchemeGroupVersion.WithKind("ConversionReview")
	if version == "v1" && review.GroupVersionKind() != want {
		return nil, fmt.Errorf("expected webhook response of %v, got %v", want, review.GroupVersionKind())
	}
	r := review.Response
	switch {
	case r == nil:
		return nil, errors.New("no response provided")
	case version == "v1" && r.UID != uid:
		return nil, fmt.Errorf("expected response.uid=%q, got %q", uid, r.UID)
	case r.Result.Status != metav1.StatusSuccess && r.Result.Message != "":
		return nil, errors.New(r.Result.Message)
	case r.Result.Status != metav1.StatusSuccess:
		return nil, fmt.Errorf("response.result.status was '%s', not 'Success'", r.Result.Status)
	}
	return r.ConvertedObjects, nil
}

// sameObject checks what a converter may not change.
func sameObject(in, out *unstructured.Unstructured) error {
	for _, f := range []struct{ what, in, out string }{
		{"name", in.GetName(), out.GetName()}, {"namespace", in.GetNamespace(), out.GetNamespace()}, {"UID", string(in.GetUID()), string(out.GetUID())},
	} {
		if f.in != f.out {
			return fmt.Errorf("must have the same %s: %v != %v", f.what, f.in, f.out)
		}
	}
	return nil
}

// restoreMetadata gives a converted object the metadata that it had, but for
// labels and annotations.
func restoreMetadata(in, out *unstructured.Unstructured) error {
	answered, ok := out.Object["metadata"].(map[string]any)
	if !ok {
		return errors.New("missing metadata in converted object")
	}
	kept := map[string]any{}
	if m, ok := in.Object["metadata"].(map[string]any); ok {
		kept = runtime.DeepCopyJSON(m)
	}
	for _, name := range []string{"labels", "annotations"} {
		delete(kept, name)
		value := answered[name]
		if value == nil {
			continue
		}
		m, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("invalid metadata.%s of type %T in converted object", name, value)
		}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if _, ok := m[k].(string); !ok {
				return fmt.Errorf("metadata.%s[%s] must be a string, but is %T in converted object", name, k, m[k])
			}
		}
		kept[name] = m
	}
	out.Object["metadata"] = kept
	return nil
}
