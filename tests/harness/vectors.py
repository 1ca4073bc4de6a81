"""Published samples of what WeChat encrypts and signs, byte for byte.

Source: WeChat page "开放数据校验与解密" and the SDKs that repeat its sample. The first vector is WeChat's own; no
public one exists for phone, steps and group, so these three were made with an independent AES, under the same key.
"""

from dataclasses import dataclass

APPID = "wx4f4bc4dec97d474b"
OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
UNIONID = "ocMvos6NjeKLIBqg5Mr9QjxrP1FA"
SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ=="
IV = "r7BXXKkLb8qrSNn05n0qiA=="
TIMESTAMP = 1477314187


@dataclass(frozen=True)
class Vector:
    """A plaintext and its base64 ciphertext under SESSION_KEY and IV."""

    name: str
    plaintext: str
    encrypted_data: str


VECTORS = (
    Vector(
        "profile",
        (
            '{"openId":"oGZUI0egBJY1zhBYw2KhdUfwVJJE","nickName":"Band","gender":1,"language":"zh_CN","city":'
            '"Guangzhou","province":"Guangdong","country":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/a'
            'SKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8MHM4WgMEm7GFhsf8OYrySdbvAMvTsw3mo8ibKicsnfN5pRjl1p8HQ/0","u'
            'nionId":"ocMvos6NjeKLIBqg5Mr9QjxrP1FA","watermark":{"timestamp":1477314187,"appid":"wx4f4bc4dec9'
            '7d474b"}}'
        ),
        (
            "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+"
            "3hVbJSRgv+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6"
            "/1Xx1COxFvrc2d7UL/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs"
            "8LOddcQhULW4ucetDf96JcR3g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns"
            "/8wR2SiRS7MNACwTyrGvt9ts8p12PKFdlqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG"
            "20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/XcxxmK01EpqOyuxINew=="
        ),
    ),
    Vector(
        "phone",
        (
            '{"phoneNumber":"13580006666","purePhoneNumber":"13580006666","countryCode":"86","watermark":{"ti'
            'mestamp":1477314187,"appid":"wx4f4bc4dec97d474b"}}'
        ),
        (
            "xT8p8W6jIVdEWQ+ccHuD2bmG5RSiwg14VWRFw/UGVh6Aj+jDIadafJ4xdCIBQ/uxDiyw/MZWvpFyRn3pP3xxVfNQxFtzghvK"
            "+Pj5JQI7x412Zc+UKBdZyt5yiQboroSxabTum1k4MMOlnoCxhJ46cxPDT2EuLbNUf2McwNtGO0/9E+Xj/ZwENw48ucueL3Uq"
            "NoKpXxFYvqH6eawrR2MXnA=="
        ),
    ),
    Vector(
        "steps",
        (
            '{"stepInfoList":[{"timestamp":1445866601,"step":100},{"timestamp":1445876601,"step":120}],"water'
            'mark":{"timestamp":1477314187,"appid":"wx4f4bc4dec97d474b"}}'
        ),
        (
            "XoLUxF76jN/OsfTGUqF/ZqRn+2PtO66lAMg/g0D3bg1L2/Nds8gTQrH7fGmbTgGtUC2R9lbJh7fLEaO9boeCqru1Em2BD/Ib"
            "fN6lI/nu55iYlOdvBG/PicU8pMeVU32B3O68Ot2mP0ivKxccJMLOPL06Lt1z+Cd2wKlJ6WhdDjszfUo7lbbI4lxqW0w5dd2M"
            "EJdcEjHsflH8uLO8hrRUkw=="
        ),
    ),
    Vector(
        "group",
        (
            '{"openGId":"tGZUI0egBJY1zhBYw2KhdUfwVJJE","watermark":{"timestamp":1477314187,"appid":"wx4f4bc4d'
            'ec97d474b"}}'
        ),
        (
            "R8kMfFR56LTU88IqEbAjBwiDc29VD8uKtClBrT3OvPF1DEdM8UmsERnQCGTBZcBgT4mHSX1fyBThEH8oELHQSSFF3t1pKuSP"
            "JEHQjnd/BJUflzecB/KIUV9CedN4bj2JyDnyKkRyAjepZbmtEMQXYg=="
        ),
    ),
)
PROFILE = VECTORS[0]

# rawData, session_key, hex(SHA-1(rawData + session_key)); the second one has Chinese in it.
SIGNATURES = (
    (
        (
            '{"nickName":"Band","gender":1,"language":"zh_CN","city":"Guangzhou","province":"Guangdong","coun'
            'try":"CN","avatarUrl":"http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol'
            '6503Iuswjjn6nIGBiaycAjAtpujxyzYsrztuuICqIM5ibXQ/0"}'
        ),
        "HyVFkGl5F5OQWJZZaNzBBg==",
        "75e81ceda165f4ffa64f4068af58c64b8f54b88c",
    ),
    (
        (
            '{"nickName":"Xavier-Lam林","gender":1,"language":"zh_CN","city":"Ningde","province":"Fujian","cou'
            'ntry":"China","avatarUrl":"https://wx.qlogo.cn/mmopen/vi_32/vTxUxcbjcZ8t9eU6YfXBwRU89KS9uRILEDro'
            '01MTYp7UKYsyTjLFMIVhB0AlBuEvLHbhmO3OpaHw5zwlSetuLg/132"}'
        ),
        "GtYYez5b/M5HhT4L7n31gQ==",
        "8fde625b7640734a13c071c05d792b5cef21cf89",
    ),
)

# A fixture of a public SDK (WxMaCryptUtilsTest) that does not open under its own key: its last padding byte is 40.
BROKEN_SESSION_KEY = "7MG7jbTToVVRWRXVA885rg=="
BROKEN_IV = "TarMFjnzHVxy8pdS93wQbw=="
BROKEN_DATA = (
    "BY6VOgcWbwGcyrunK0ECWI8rnDsT69DucZ+M78tc1aL9aM/3bEAHFYd4fu7kRjWhD4YfjObw44T9vUqKyHIjbKs6hvtEasZZEIW35x4a91xVgN48"
    "ZqZ7MTQqUlP13kDUlkuwYh+/8g8yceu4kNbjowYrhihx+SV7CfjKCveJ7TSepr5Z7aLv1o+rfeelfOwn++WN/YoQsuZ6S3L4fWlWe5DAAUnFUI6c"
    "JvxxCohVzbrVXhyH2AqQdSjH2WnMYFeaGFIbcoxMznlk7oEwFn+hBj63dyT/swdYQfEdzuyCBmKXy8d6l1RKVX6Y65coTD8kIlbr+FKsqYrXVUIU"
    "BSwehqYuOdhYWZ9Bntl5DWU1oqzAPCnMn2cAIoQpQPKP7IGSxMOvCNAMhVXbE7BvnWuVuGF+AM5tXAa9IVUhcMImGwLQqm4iV5uBd+5OcFObh3A4"
    "VJk9iBCBWSkBHa/rV9CVoY0bFv2F9/2Hv82++Ybl274="
)
