package plugins

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"pilothouse/backend/admission"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"

	corev1 "k8s.io/api/core/v1"
	imagepolicyv1alpha1 "k8s.io/api/imagepolicy/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"
)

// imagePolicyWebhook asks another service whether a pod's images may be used.
type imagePolicyWebhook struct {
	handler
	settings imagePolicySettings
	client   *http.Client
	url      string
	clock    registry.Clock

	mu      sync.Mutex // guards answers
	answers map[string]imageAnswer
}

// imagePolicySettings are the plugin's settings, as Kubernetes has them.
type imagePolicySettings struct {
	KubeConfigFile string `json:"kubeConfigFile"`
	// AllowTTL and DenyTTL are how many seconds answers are kept.
	AllowTTL int64 `json:"allowTTL"`
	DenyTTL  int64 `json:"denyTTL"`
	// RetryBackoff is the first wait between tries, in milliseconds.
	RetryBackoff int64 `json:"retryBackoff"`
	// DefaultAllow lets pods in when the service cannot be asked.
	DefaultAllow bool `json:"defaultAllow"`
}

type imageAnswer struct {
	status imagepolicyv1alpha1.ImageReviewStatus
	until  time.Time
}

const (
	imageTries     = 5
	imageTimeout   = 30 * time.Second
	maxImageAnswer = 1 << 20
	maxImageKept   = 1024
)

func newImagePolicyWebhook(d *deps) (admission.Plugin, error) {
	var c struct {
		ImagePolicy imagePolicySettings `json:"imagePolicy"`
	}
	if err := yaml.UnmarshalStrict(d.config("ImagePolicyWebhook"), &c); err != nil {
		return nil, err
	}
	s := c.ImagePolicy
	for _, v := range []struct {
		name             string
		value            *int64
		otherwise, least int64
		most             int64
	}{
		{"allowTTL", &s.AllowTTL, 300, 1, 1800},
		{"denyTTL", &s.DenyTTL, 30, 1, 1800},
		{"retryBackoff", &s.RetryBackoff, 500, 1, 300_000},
	} {
		switch {
		case *v.value == 0:
			*v.value = v.otherwise
		case *v.value < 0: // switched off
			*v.value = 0
		case *v.value < v.least || *v.value > v.most:
			return nil, fmt.Errorf("imagePolicy.%s: %d is not between %d and %d", v.name, *v.value, v.least, v.most)
		}
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: s.KubeConfigFile}, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.KubeConfigFile, err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.KubeConfigFile, err)
	}
	client.Timeout = imageTimeout
	return &imagePolicyWebhook{
		handler: handler{"ImagePolicyWebhook", writes(pods, podsEphemeral)}, settings: s, client: client, url: config.Host, clock: d.Clock,
		answers: map[string]imageAnswer{},
	}, nil
}

// Validate asks the service, unless it has said lately what it says.
func (p *imagePolicyWebhook) Validate(ctx context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	review := imagepolicyv1alpha1.ImageReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "imagepolicy.k8s.io/v1alpha1", Kind: "ImageReview"},
		Spec:     imagepolicyv1alpha1.ImageReviewSpec{Namespace: a.Namespace, Annotations: policyAnnotations(pod)},
	}
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers, ephemeralOf(pod)} {
		for i := range list {
			review.Spec.Containers = append(review.Spec.Containers, imagepolicyv1alpha1.ImageReviewContainerSpec{Image: list[i].Image})
		}
	}
	status, err := p.status(ctx, &review)
	if err != nil {
		klog.V(2).InfoS("Image policy webhook failed", "err", err, "allowed", p.settings.DefaultAllow)
		if p.settings.DefaultAllow {
			request.From(ctx).Annotate("imagepolicywebhook.image-policy.k8s.io/failed-open", "true")
			return nil
		}
		return admission.Forbidden(a, err)
	}
	for key, value := range status.AuditAnnotations {
		request.From(ctx).Annotate("imagepolicywebhook.image-policy.k8s.io/"+key, value)
	}
	switch {
	case status.Allowed:
		return nil
	case status.Reason != "":
		return admission.Forbid(a, "image policy webhook backend denied one or more images: "+status.Reason)
	}
	return admission.Forbid(a, "one or more images rejected by webhook backend")
}

// policyAnnotations are those of a pod that are meant for the service.
func policyAnnotations(pod *corev1.Pod) map[string]string {
	out := map[string]string{}
	for key, value := range pod.Annotations {
		if strings.Contains(key, ".image-policy.k8s.io/") {
			out[key] = value
		}
	}
	return out
}

func (p *imagePolicyWebhook) status(ctx context.Context, review *imagepolicyv1alpha1.ImageReview) (imagepolicyv1alpha1.ImageReviewStatus, error) {
	spec, err := json.Marshal(review.Spec)
	if err != nil {
		return review.Status, err
	}
	if kept, ok := p.kept(string(spec)); ok {
		return kept, nil
	}
	body, err := json.Marshal(review)
	if err != nil {
		return review.Status, err
	}
	pause := time.Duration(p.settings.RetryBackoff) * time.Millisecond
	for try := 1; ; try++ {
		status, again, err := p.post(ctx, body)
		if err == nil {
			p.keep(string(spec), status)
			return status, nil
		}
		if !again || try == imageTries {
			return status, err
		}
		select {
		case <-ctx.Done():
			return status, err
		case <-time.After(pause):
		}
		pause = pause * 3 / 2
	}
}

// post asks once; again tells that the failure may pass.
func (p *imagePolicyWebhook) post(ctx context.Context, body []byte) (status imagepolicyv1alpha1.ImageReviewStatus, again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return status, false, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(r)
	if err != nil {
		return status, true, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxImageAnswer+1))
	switch {
	case err != nil:
		return status, true, err
	case response.StatusCode < 200 || response.StatusCode > 299:
		return status, response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500, fmt.Errorf("Error contacting webhook: %d", response.StatusCode) //nolint:staticcheck // Kubernetes' words
	case len(answer) > maxImageAnswer:
		return status, false, errors.New("the webhook's answer is too large")
	}
	var review imagepolicyv1alpha1.ImageReview
	if err := json.Unmarshal(answer, &review); err != nil {
		return status, false, err
	}
	return review.Status, false, nil
}

func (p *imagePolicyWebhook) kept(spec string) (imagepolicyv1alpha1.ImageReviewStatus, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, ok := p.answers[spec]
	return answer.status, ok && p.clock().Before(answer.until)
}

func (p *imagePolicyWebhook) keep(spec string, status imagepolicyv1alpha1.ImageReviewStatus) {
	seconds := p.settings.DenyTTL
	if status.Allowed {
		seconds = p.settings.AllowTTL
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) >= maxImageKept {
		clear(p.answers)
	}
	p.answers[spec] = imageAnswer{status, p.clock().Add(time.Duration(seconds) * time.Second)}
}
