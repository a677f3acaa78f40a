package bootstraptoken

import (
	"context"

	"pilothouse/backend/controllers/loop"
	"pilothouse/backend/watchcache"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// readers is the Role, and its binding, by which everybody may read cluster-info:
// kubeadm's name.
const readers = "kubeadm:bootstrap-signer-clusterinfo"

// NewPublisher gives the loop cluster-info-publisher-controller, which does what
// kubeadm init does once: as soon as there is a token that signs, cluster-info
// says where the API is and how to verify it, to everybody. What is there is left
// as it is.
func NewPublisher(d loop.Deps) func(context.Context) error {
	if d.Server == "" {
		return idle
	}
	secrets := loop.NewView[*corev1.Secret](d, "", "secrets")
	queue := loop.NewQueue[string]("cluster_info")
	tokens := secrets.Follower(d, func(o, _ *watchcache.Object, gone bool) {
		if !gone && isToken(o) {
			queue.Add(infoName)
		}
	})
	publish := func(ctx context.Context, _ string) error {
		if tokens, _ := signing(secrets, d.Clock()); len(tokens) == 0 {
			return nil
		}
		if loop.Peek(d.Registry, "", "configmaps", metav1.NamespacePublic, infoName) != nil {
			return nil
		}
		info, err := clusterInfo(d.Server, d.RootCA())
		if err != nil {
			return err
		}
		group := rbacv1.SchemeGroupVersion
		for _, o := range []struct {
			gvr schema.GroupVersionResource
			obj runtime.Object
		}{
			{group.WithResource("roles"), readersRole()},
			{group.WithResource("rolebindings"), everybody()},
			{configMaps, info},
		} {
			if err := d.Client.Create(ctx, o.gvr, metav1.NamespacePublic, o.obj); err != nil && !apierrors.IsAlreadyExists(err) {
				return err
			}
		}
		return nil
	}
	return func(ctx context.Context) error {
		return loop.Together(ctx, tokens.Run, func(ctx context.Context) error { return queue.Work(ctx, 1, publish) })
	}
}

// clusterInfo has a kubeconfig without a user.
func clusterInfo(server string, ca []byte) (*corev1.ConfigMap, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[""] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	raw, err := clientcmd.Write(*config)
	if err != nil {
		return nil, err
	}
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespacePublic, Name: infoName},
		Data:       map[string]string{kubeconfigKey: string(raw)},
	}, nil
}

func readersRole() *rbacv1.Role {
	return &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespacePublic, Name: readers},
		Rules:      []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{infoName}}},
	}
}

func everybody() *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespacePublic, Name: readers},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: readers},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:anonymous"}},
	}
}
