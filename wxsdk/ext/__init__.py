"""Thin integrations: ``wxsdk.ext.flask``, ``wxsdk.ext.django``, ``wxsdk.ext.jupyter``. Import the one you need."""
