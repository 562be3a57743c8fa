"""Walks the way of the clients there are (docs/api-contract.md), as their scripts are written.

    existing.py <server> <a picture> <slash or nothing>

The last argument ends every path: the first clients write it, some scripts do not.
"""

import sys

import requests

SERVER, PICTURE, SLASH = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""
session = requests.Session()


def call(method, path, status, **more):
    answer = session.request(method, f"{SERVER}/api/{path}{SLASH}", timeout=30, **more)
    assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
    if status == 204:
        assert answer.content == b"", f"{method} {path}: a body"
        return None
    assert answer.headers["Content-Type"] == "application/json", f"{method} {path}"
    return answer.json()


def has(body, *names):
    missing = [name for name in names if name not in body]
    assert not missing, f"{missing} missing in {body}"


name = "slash" if SLASH else "bare"
account = {
    "username": name, "email": f"{name}@example.org", "password": "testpass123",
    "password_confirm": "testpass123", "first_name": "Aïssatou", "last_name": "Diallo",
    "phone_number": "+224123456789", "accept_terms": True,
}
assert call("GET", "health", 200)["status"] == "ok"
quartiers = call("GET", "geography/quartiers", 200)
assert quartiers["count"] == 77 and len(quartiers["results"]) == 77
has(call("GET", "users/geographic-data", 200), "regions", "quartiers")
account["quartier"] = quartiers["results"][0]["id"]
registered = call("POST", "users/register", 201, json=account)
assert registered["message"] == "Inscription réussie !"
assert "username" in call("POST", "users/register", 400, json=account)

# No session, and a bad one.
assert call("GET", "posts", 401) == {"detail": "Informations d'authentification non fournies."}
bad = call("GET", "posts", 401, headers={"Authorization": "Bearer x"})
assert bad["code"] == "token_not_valid", bad

login = {"email": account["email"], "password": "wrong"}
assert call("POST", "users/login", 401, json=login) == {"error": "Email ou mot de passe incorrect"}
login["password"] = account["password"]
tokens = call("POST", "users/login", 200, json=login)["tokens"]
fresh = call("POST", "token/refresh", 200, json={"refresh": tokens["refresh"]})
used = call("POST", "token/refresh", 401, json={"refresh": tokens["refresh"]})
assert used["code"] == "token_not_valid", used
session.headers["Authorization"] = f"Bearer {fresh['access']}"

profile = call("GET", "users/my-profile", 200)
assert profile["email"] == account["email"] and profile["quartier"] == account["quartier"]
changed = call("PATCH", "users/my-profile", 200, json={"bio": "Madina", "date_of_birth": "", "role": "admin"})
assert changed["user"]["bio"] == "Madina" and changed["user"]["role"] == "user"
with open(PICTURE, "rb") as picture:
    files = {"profile_picture": ("moi.png", picture, "image/png")}
    changed = call("PATCH", "users/my-profile", 200, files=files, data={"first_name": "Aïssatou"})
assert requests.get(changed["user"]["profile_picture"], timeout=30).status_code == 200

with open(PICTURE, "rb") as picture:
    files = {"file": ("marché.png", picture, "image/png")}
    media = call("POST", "posts/media/upload", 201, files=files, data={"title": "marché.png"})
has(media, "id", "file", "file_url", "thumbnail_url", "width", "height", "file_size")
assert call("GET", "posts/media", 200)["results"][0]["id"] == media["id"]
call("POST", "posts/media/upload", 400, files={"file": ("a.png", b"no picture", "image/png")})

written = {
    "title": "Marché", "content": "Le marché rouvre lundi.", "post_type": "info",
    "is_anonymous": False, "media_files": [media["id"]], "privacy": "public",
}
post = call("POST", "posts", 201, json=written)
assert post["media_count"] == 1
assert call("GET", "posts", 200)["results"][0]["id"] == post["id"]
assert call("POST", "posts", 400, json={"content": ""}) == {"content": ["Ce champ ne peut être vide."]}
call("PUT", f"posts/{post['id']}", 200, json={"content": "Mardi, plutôt."})
call("POST", f"posts/posts/{post['id']}/increment-views", 200)

has(call("POST", f"posts/{post['id']}/like", 201), "id", "user", "created_at")
again = call("POST", f"posts/{post['id']}/like", 400)
assert again == {"detail": "Vous avez déjà liké ce post"}, again
call("DELETE", f"posts/{post['id']}/like", 204)

comment = call("POST", f"posts/{post['id']}/comments", 201, json={"content": "Merci !"})
reply = call("POST", f"posts/comments/{comment['id']}/reply", 201, json={"content": "De rien"})
assert reply["parent_comment"] == comment["id"] and reply["level"] == 1
listed = call("GET", f"posts/{post['id']}/comments", 200)["results"]
assert [c["id"] for c in listed] == [comment["id"]] and listed[0]["replies"][0]["id"] == reply["id"]
call("PUT", f"posts/comments/{reply['id']}", 200, json={"content": "Avec plaisir"})
call("DELETE", f"posts/comments/{comment['id']}", 204)

shared = call("POST", f"posts/posts/{post['id']}/share", 201, json={"message": "À lire"})
assert call("POST", f"posts/posts/{post['id']}/share", 200, json={})["share_id"] == shared["share_id"]
call("POST", f"posts/posts/{post['id']}/share-external", 201, json={"platform": "whatsapp"})
assert call("GET", f"posts/posts/{post['id']}/analytics", 200)["whatsapp_shares"] == 1
call("DELETE", f"posts/posts/{post['id']}/share", 204, json={"share_type": "share"})

wanted = {"title": "Live streaming", "description": "", "content": "Live démarré !"}
live = call("POST", "posts/live/start", 201, json=wanted)
has(live, "live_id", "stream_key", "post_id", "rtmp_url", "hls_url", "message")
assert live["stream_key"] not in live["hls_url"]
chat = f"posts/live/{live['live_id']}/chat"
said = call("POST", f"{chat}/messages", 201, json={"content": "Bonjour", "type": "text"})
assert [m["id"] for m in call("GET", chat, 200)] == [said["id"]]
assert call("GET", "posts", 200, params={"is_live_post": "true", "type": "info"})["count"] >= 1
stopped = call("PUT", f"posts/live/{live['live_id']}/stop", 200, json={"video_data": {"url": "blob:x"}})
assert stopped["message"] == "Live arrêté" and stopped["video_saved"] is False
assert call("PUT", f"posts/live/{live['live_id']}/stop", 404, json={}) == {"error": "Live non trouvé"}

has(call("GET", "notifications/count", 200), "unread_count", "total_count")
has(call("GET", "notifications", 200), "results", "next")
has(call("GET", "notifications/list", 200), "notifications", "total_pages", "has_next")
call("PATCH", "notifications/mark-as-read", 200, json={"mark_all": True})
call("PATCH", "notifications/preferences", 200, json={"likes_notifications": False})

assert call("GET", "no/such/path", 404) == {"detail": "Pas trouvé."}
assert call("POST", "posts/live/1/stop", 405) == {"detail": "Méthode « POST » non autorisée."}
call("DELETE", f"posts/{post['id']}", 204)
assert call("GET", f"posts/{post['id']}", 404) == {"detail": "Pas trouvé."}
assert call("POST", "users/logout", 200, json={"refresh": fresh["refresh"]})["message"] == "Déconnexion réussie"
call("POST", "token/refresh", 401, json={"refresh": fresh["refresh"]})
print("ok")
