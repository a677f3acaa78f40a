package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxReview bounds what is read of a request, in bytes.
const maxReview = 8 << 20

// injector answers AdmissionReviews of pods.
type injector struct {
	// proxy is the image of the container that is added.
	proxy string
}

func (i injector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil || review.Request == nil {
		http.Error(w, "this is no AdmissionReview", http.StatusBadRequest)
		return
	}
	review.Response = i.answer(review.Request)
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(&review); err != nil {
		return // the API server has gone away
	}
}

func (i injector) answer(r *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	a := &admissionv1.AdmissionResponse{UID: r.UID, Allowed: true}
	var pod corev1.Pod
	if err := json.Unmarshal(r.Object.Raw, &pod); err != nil {
		a.Allowed = false
		a.Result = &metav1.Status{Message: fmt.Sprintf("this is no pod: %v", err)}
		return a
	}
	if slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "proxy" }) {
		return a // it has been here before, or the pod brings its own
	}
	patch, err := json.Marshal([]map[string]any{
		{"op": "add", "path": "/spec/containers/-", "value": i.container(&pod)},
	})
	if err != nil {
		a.Allowed = false
		a.Result = &metav1.Status{Message: err.Error()}
		return a
	}
	kind := admissionv1.PatchTypeJSONPatch
	a.Patch, a.PatchType = patch, &kind
	return a
}

// container is the proxy, which is told which ports it stands before.
func (i injector) container(pod *corev1.Pod) corev1.Container {
	ports := ""
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			ports += fmt.Sprintf("%d ", p.ContainerPort)
		}
	}
	return corev1.Container{
		Name: "proxy", Image: i.proxy,
		Env: []corev1.EnvVar{
			{Name: "APP_PORTS", Value: ports},
			{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		},
		Ports: []corev1.ContainerPort{{Name: "proxy", ContainerPort: 15001}},
	}
}
