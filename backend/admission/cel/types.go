package cel

import apiservercel "k8s.io/apiserver/pkg/cel"

// The types of request and namespaceObject leave out what expressions have as
// variables of their own or have no business with; they are Kubernetes'.

func declField(name string, t *apiservercel.DeclType, required bool) *apiservercel.DeclField {
	return apiservercel.NewDeclField(name, t, required, nil, nil)
}

func object(name string, fields ...*apiservercel.DeclField) *apiservercel.DeclType {
	byName := make(map[string]*apiservercel.DeclField, len(fields))
	for _, f := range fields {
		byName[f.Name] = f
	}
	return apiservercel.NewObjectType(name, byName)
}

// requestType is the type of the variable request.
func requestType() *apiservercel.DeclType {
	stringType := apiservercel.StringType
	stringList := apiservercel.NewListType(stringType, -1)
	gvk := object("kubernetes.GroupVersionKind",
		declField("group", stringType, true),
		declField("version", stringType, true),
		declField("kind", stringType, true),
	)
	gvr := object("kubernetes.GroupVersionResource",
		declField("group", stringType, true),
		declField("version", stringType, true),
		declField("resource", stringType, true),
	)
	user := object("kubernetes.UserInfo",
		declField("username", stringType, false),
		declField("uid", stringType, false),
		declField("groups", stringList, false),
		declField("extra", apiservercel.NewMapType(stringType, stringList, -1), false),
	)
	return object("kubernetes.AdmissionRequest",
		declField("kind", gvk, true),
		declField("resource", gvr, true),
		declField("subResource", stringType, false),
		declField("requestKind", gvk, true),
		declField("requestResource", gvr, true),
		declField("requestSubResource", stringType, false),
		declField("name", stringType, true),
		declField("namespace", stringType, false),
		declField("operation", stringType, true),
		declField("userInfo", user, true),
		declField("dryRun", apiservercel.BoolType, false),
		declField("options", apiservercel.DynType, false),
	)
}

// namespaceType is the type of the variable namespaceObject.
func namespaceType() *apiservercel.DeclType {
	stringType, timeType := apiservercel.StringType, apiservercel.TimestampType
	stringList := apiservercel.NewListType(stringType, -1)
	stringMap := apiservercel.NewMapType(stringType, stringType, -1)
	condition := object("kubernetes.NamespaceCondition",
		declField("status", stringType, true),
		declField("type", stringType, true),
		declField("lastTransitionTime", timeType, true),
		declField("message", stringType, true),
		declField("reason", stringType, true),
	)
	metadata := object("kubernetes.NamespaceMetadata",
		declField("name", stringType, true),
		declField("generateName", stringType, true),
		declField("namespace", stringType, true),
		declField("labels", stringMap, true),
		declField("annotations", stringMap, true),
		declField("UID", stringType, true),
		declField("creationTimestamp", timeType, true),
		declField("deletionGracePeriodSeconds", apiservercel.IntType, true),
		declField("deletionTimestamp", timeType, true),
		declField("generation", apiservercel.IntType, true),
		declField("resourceVersion", stringType, true),
		declField("finalizers", stringList, true),
	)
	return object("kubernetes.Namespace",
		declField("metadata", metadata, true),
		declField("spec", object("kubernetes.NamespaceSpec", declField("finalizers", stringList, true)), true),
		declField("status", object("kubernetes.NamespaceStatus",
			declField("conditions", apiservercel.NewListType(condition, -1), true),
			declField("phase", stringType, true),
		), true),
	)
}
