package plugins

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"pilothouse/backend/admission"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
)

const (
	defaultServiceAccount = "default"
	// tokenVolume begins the names of the volumes with a pod's token.
	tokenVolume = "kube-api-access-"
	// tokenPath is where clients inside a container look for it.
	tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"
	// tokenSeconds is how long a token is asked for: an hour, and a few seconds
	// by which such tokens are known in statistics.
	tokenSeconds = 3607
)

// serviceAccount gives pods their service account, with its token and its pull
// secrets, and refuses those whose account is missing.
type serviceAccount struct {
	handler
	accounts *lookup[*corev1.ServiceAccount]
	// wait is how long a new namespace's default account may take to appear.
	wait time.Duration
}

func newServiceAccount(d *deps) (admission.Plugin, error) {
	return &serviceAccount{
		handler{"ServiceAccount", either(on(admission.Create, pods), on(admission.Update, podsEphemeral))},
		newLookup[*corev1.ServiceAccount](d.Registry, "", "serviceaccounts"),
		1500 * time.Millisecond,
	}, nil
}

// Mutate fills in the account, the token volume and the pull secrets. Mirror
// pods stay as the node wrote them.
func (p *serviceAccount) Mutate(ctx context.Context, a *admission.Attributes) error {
	if a.Operation != admission.Create {
		return nil
	}
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	if isMirror(pod) {
		return validateMirror(a, pod)
	}
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = defaultServiceAccount
	}
	pod.Spec.DeprecatedServiceAccount = pod.Spec.ServiceAccountName
	account, err := p.find(ctx, a, pod)
	if err != nil {
		return err
	}
	if automounts(account, pod) {
		mountToken(pod)
	}
	if len(pod.Spec.ImagePullSecrets) == 0 && len(account.ImagePullSecrets) > 0 {
		pod.Spec.ImagePullSecrets = append([]corev1.LocalObjectReference(nil), account.ImagePullSecrets...)
	}
	return allowedSecrets(a, account, pod)
}

// find gives the pod's account. The default one is made by a controller, so it
// is waited for a little.
func (p *serviceAccount) find(ctx context.Context, a *admission.Attributes, pod *corev1.Pod) (*corev1.ServiceAccount, error) {
	name := pod.Spec.ServiceAccountName
	account, ok := p.accounts.get(a.Namespace, name)
	if !ok && name == defaultServiceAccount {
		account, ok = p.await(ctx, a.Namespace, name)
	}
	if ok {
		return account, nil
	}
	missing := apierrors.NewNotFound(corev1.Resource("serviceaccount"), name)
	return nil, admission.Forbidden(a, errors.New(fmt.Sprintf("error looking up service account %s/%s: ", a.Namespace, name)+missing.Error()))
}

func (p *serviceAccount) await(ctx context.Context, ns, name string) (*corev1.ServiceAccount, bool) {
	ctx, cancel := context.WithTimeout(ctx, p.wait)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case <-tick.C:
			if account, ok := p.accounts.get(ns, name); ok {
				return account, true
			}
		}
	}
}

// Validate is the same check of what other plugins may have changed.
func (p *serviceAccount) Validate(ctx context.Context, a *admission.Attributes) error {
	pod, err := podOf(a)
	if err != nil {
		return err
	}
	if a.Operation == admission.Create && isMirror(pod) {
		return validateMirror(a, pod)
	}
	if pod.Spec.ServiceAccountName == "" {
		return admission.Forbid(a, fmt.Sprintf("no service account specified for pod %s/%s", a.Namespace, pod.Name))
	}
	account, err := p.find(ctx, a, pod)
	if err != nil {
		return err
	}
	if a.Operation == admission.Update {
		return allowedEphemeralSecrets(a, account, pod)
	}
	return allowedSecrets(a, account, pod)
}

func isMirror(pod *corev1.Pod) bool {
	_, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return mirror
}

// validateMirror refuses a mirror pod that uses what the node doesn't have.
func validateMirror(a *admission.Attributes, pod *corev1.Pod) error {
	if pod.Spec.ServiceAccountName != "" {
		return admission.Forbid(a, "a mirror pod may not reference service accounts")
	}
	if usesSecrets(pod) {
		return admission.Forbid(a, "a mirror pod may not reference secrets")
	}
	for i := range pod.Spec.Volumes {
		projected := pod.Spec.Volumes[i].Projected
		if projected == nil {
			continue
		}
		for _, source := range projected.Sources {
			if source.ServiceAccountToken != nil {
				return admission.Forbid(a, "a mirror pod may not use ServiceAccountToken volume projections")
			}
		}
	}
	return nil
}

// automounts tells whether the pod is to have a token: the pod's word, then the
// account's, then yes.
func automounts(account *corev1.ServiceAccount, pod *corev1.Pod) bool {
	switch {
	case pod.Spec.AutomountServiceAccountToken != nil:
		return *pod.Spec.AutomountServiceAccountToken
	case account.AutomountServiceAccountToken != nil:
		return *account.AutomountServiceAccountToken
	}
	return true
}

// mountToken mounts the token into every container that has nothing in its
// place, from a volume that is there already or a new one.
func mountToken(pod *corev1.Pod) {
	name, there := "", false
	for i := range pod.Spec.Volumes {
		if strings.HasPrefix(pod.Spec.Volumes[i].Name, tokenVolume) {
			name, there = pod.Spec.Volumes[i].Name, true
			break
		}
	}
	if !there {
		name = tokenVolume + utilrand.String(5)
	}
	mounted := mountInto(pod.Spec.InitContainers, name)
	mounted = mountInto(pod.Spec.Containers, name) || mounted
	if mounted && !there {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{Projected: tokenSource()}})
	}
}

func mountInto(containers []corev1.Container, volume string) (mounted bool) {
	for i := range containers {
		c := &containers[i]
		if mountsAt(c, tokenPath) {
			continue
		}
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volume, ReadOnly: true, MountPath: tokenPath})
		mounted = true
	}
	return mounted
}

func mountsAt(c *corev1.Container, path string) bool {
	for i := range c.VolumeMounts {
		if c.VolumeMounts[i].MountPath == path {
			return true
		}
	}
	return false
}

// tokenSource is the token with what its user needs to know: the authority of
// the API server, and the namespace.
func tokenSource() *corev1.ProjectedVolumeSource {
	return &corev1.ProjectedVolumeSource{
		DefaultMode: new(int32(corev1.ProjectedVolumeSourceDefaultMode)),
		Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: new(int64(tokenSeconds))}},
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
				Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
			}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
				Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
			}}}},
		},
	}
}
